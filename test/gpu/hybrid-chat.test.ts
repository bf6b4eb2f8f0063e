import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  checkCancelling, checkDroppedThinking, checkEnds, checkFifteenTurns, checkSharedSystem, checkShortMemory, openHybrid, openPair,
} from '../check-hybrid-chat.ts';
import type { Pair } from '../check-hybrid-chat.ts';
import { goldensOn, hasGolden } from '../goldens.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

const HYBRIDS = ['lfm2_plain', 'qwen3_5'] as const;
const NAMES = ['slots' as const, ...HYBRIDS.filter((name) => goldensOn('gpu').includes(name))];

describe.each(NAMES)('conversations of %s, with up to 16 steps a submit', { timeout: 180_000 }, (name) => {
  let pair: Pair;
  const isThere = name === 'slots' || hasGolden(name);
  beforeAll(async () => {
    // Steps take no time by this clock, so that a submit has twice the steps of the one before, up to 16, however slow the machine is.
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const executor = await softwareExecutor({ profile: { ...TEST_PROFILES.float, prefillRows: 32, stepsPerSubmit: 16 } });
    if (isThere) pair = await openPair(executor, await openHybrid(name));
  }, 180_000);
  afterAll(async () => {
    vi.restoreAllMocks();
    await pair?.dispose();
  });

  it.skipIf(!isThere)('prefill only what is new for 15 turns, and go on as a cold run', async () => {
    const prefilled = await checkFifteenTurns(pair, { questionTokens: 4, answerTokens: 20 });
    expect(prefilled.slice(1)).toEqual(Array<number>(13).fill('x!u:many!a:'.length));
  });

  it.skipIf(!isThere)("go on from the end of a question whose answer's thinking is dropped", () => checkDroppedThinking(pair));

  it.skipIf(!isThere)('prefill once, to a page, what their system messages share', () => checkSharedSystem(pair));

  it.skipIf(!isThere)('are as a cold run after being cancelled at ten random points', () => checkCancelling(pair));

  it.skipIf(!isThere)('are as a cold run after stop texts and end tokens in the middle of a submit', async () => {
    const again = await checkEnds(pair);
    expect(Math.max(...again)).toBeGreaterThan(3);
    // The submit in which it ended, and two tokens of a stop text.
    expect(Math.max(...again)).toBeLessThanOrEqual(16 + 2);
  });
});

it('conversations of a hybrid go without snapshots that a device has no memory for', { timeout: 180_000 }, async () => {
  const executor = await softwareExecutor({ profile: { ...TEST_PROFILES.float, prefillRows: 32, stepsPerSubmit: 16 } });
  await checkShortMemory(executor, await openHybrid('slots'));
});
