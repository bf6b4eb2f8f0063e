/** A long chat: the page's memory does not grow beyond what was said. */
import { describe, expect, it } from 'vitest';
import { hasChromium } from '../browser/chromium.ts';
import { appRig, isIdle } from './app-rig.ts';
import { scriptedModel } from './scripted-model.ts';

/** 200 by INGOT_TURNS=200. */
const TURNS = Number(process.env['INGOT_TURNS'] ?? 60);
const SENTENCE = 'A hen lays an egg in the morning, and **nobody** knows why it is `blue`. ';
/** What a turn says and its nodes take, and no more: twice what the first half took for each turn would be a leak. */
const MOST_BYTES_A_TURN = 40_000;
/** Of programs that the browser compiles, or forgets, in between. */
const NOISE_BYTES = 500_000;

describe.skipIf(!hasChromium)('a long chat', { tags: ['slow'] }, () => {
  const rig = appRig(async () => {
    const { model } = await scriptedModel(() => ({ text: SENTENCE.repeat(4) }));
    return { models: { scripted: model } };
  });

  it(`of ${TURNS} turns takes the memory of what it says, which is free when it is deleted`, async () => {
    const session = await rig.page.context().newCDPSession(rig.page);
    const heap = async (): Promise<number> => {
      await session.send('HeapProfiler.collectGarbage');
      return (await session.send('Runtime.getHeapUsage')).usedSize;
    };
    const ask = async (count: number) => {
      for (let turn = 0; turn < count; turn++) {
        const before = await rig.read<number>("document.querySelectorAll('.turn.assistant').length");
        await rig.type(`Question ${turn}`);
        await rig.press('Enter');
        await rig.until(`document.querySelectorAll('.turn.assistant').length > ${before} && ${isIdle}`);
      }
      return heap();
    };
    const empty = await ask(10);
    const half = await ask(TURNS / 2 - 10);
    const whole = await ask(TURNS / 2);
    const nodes = await rig.read<number>("document.querySelectorAll('*').length");
    await rig.press('Alt+KeyN');
    await rig.until("document.querySelectorAll('.turn').length === 0");
    const after = await heap();
    process.stdout.write(`heap: ${[empty, half, whole, after].map((bytes) => (bytes / 1e6).toFixed(1)).join(', ')} MB; ${nodes} nodes\n`);
    expect(whole - half).toBeLessThan((TURNS / 2) * MOST_BYTES_A_TURN + NOISE_BYTES);
    expect(whole - half).toBeLessThan(1.5 * (half - empty) + 2e6);
    expect(after).toBeLessThan(empty + 0.5 * (whole - empty) + 2e6);
  });
});
