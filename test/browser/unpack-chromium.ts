/** Chromium is unpacked before the first test, whose workers then find it. */
import { unpackedChromium } from '../../src/bench/engines/unpack-chromium.ts';
import { chromiumPath, hasChromium } from './chromium.ts';

export default async function setup(): Promise<void> {
  if (hasChromium) await unpackedChromium(chromiumPath);
}
