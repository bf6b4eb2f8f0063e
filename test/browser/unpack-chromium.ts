/**
 * Chromium is unpacked before the first test. Its package takes a program that is there for a whole one: of two workers that begin at once
 * the second would start what the first has written half.
 */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumPath, hasChromium } from './chromium.ts';

const PROGRAM = 'chromium';

export default async function setup(): Promise<void> {
  const place = tmpdir();
  if (!hasChromium || existsSync(join(place, PROGRAM))) return;
  const folder = mkdtempSync(join(place, 'ingot-chromium-'));
  const before = process.env['TMPDIR'];
  try {
    process.env['TMPDIR'] = folder;
    await chromiumPath();
    // The program last: whoever finds it finds all of it.
    const names = readdirSync(folder).toSorted((a, b) => Number(a === PROGRAM) - Number(b === PROGRAM));
    for (const name of names) if (!existsSync(join(place, name))) renameSync(join(folder, name), join(place, name));
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    rmSync(folder, { recursive: true, force: true });
  }
}
