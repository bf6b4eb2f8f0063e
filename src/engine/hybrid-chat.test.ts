import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkCancelling, checkDroppedThinking, checkEnds, checkFifteenTurns, checkSharedSystem, checkShortMemory, openHybrid, openPair,
} from '../../test/check-hybrid-chat.ts';
import type { Pair } from '../../test/check-hybrid-chat.ts';
import { goldensOn, hasGolden } from '../../test/goldens.ts';
import { slotDecoder } from '../../test/slot-model.ts';
import { openExecutor } from '../node/load-model.ts';

/** What a turn prefills: the last token of the answer before, its end, and the rest. */
const NEW_TOKENS = 'x!u:question!a:'.length;
const HYBRIDS = ['lfm2_plain', 'lfm2_moe', 'qwen3_5', 'qwen3_5_moe'] as const;
const CASES = (['reference', 'cpu'] as const).flatMap((device) =>
  ['slots' as const, ...HYBRIDS.filter((name) => goldensOn(device).includes(name))].map((name) => ({ device, name })),
);

async function executorOf(device: 'reference' | 'cpu') {
  const executor = await openExecutor(device === 'cpu' ? { device, threads: 2 } : { device });
  return { ...executor, prefillRows: 16 };
}

describe.each(CASES)('conversations of $name on the $device', ({ device, name }) => {
  let pair: Pair;
  const isThere = name === 'slots' || hasGolden(name);
  beforeAll(async () => {
    if (isThere) pair = await openPair(await executorOf(device), await openHybrid(name));
  });
  afterAll(() => pair?.dispose());

  it.skipIf(!isThere)('prefill only what is new for 15 turns, and go on as a cold run', async () => {
    expect((await checkFifteenTurns(pair)).slice(1)).toEqual(Array<number>(13).fill(NEW_TOKENS));
  });

  it.skipIf(!isThere)("go on from the end of a question whose answer's thinking is dropped", () => checkDroppedThinking(pair));

  it.skipIf(!isThere)('prefill once, to a page, what their system messages share', () => checkSharedSystem(pair));

  it.skipIf(!isThere)('are as a cold run after being cancelled at ten random points', () => checkCancelling(pair));

  it.skipIf(!isThere)('are as a cold run after stop texts and end tokens', async () => {
    // Of a stop text, three letters here, two were run, which are no part of the history; after an end token nothing is run again.
    expect(await checkEnds(pair)).toEqual([2, 2, 2, 2, 0, 0, 0, 0]);
  });
});

it('conversations of a hybrid go without snapshots that a device has no memory for', async () => {
  await checkShortMemory(await executorOf('cpu'), await openHybrid('slots'));
});

describe('conversations of a hybrid with windows', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await openPair(await executorOf('cpu'), { decoder: slotDecoder(), close: async () => {} });
  });
  afterAll(() => pair.dispose());

  it('prefill only what is new for 15 turns, and go on as a cold run', async () => {
    expect((await checkFifteenTurns(pair)).slice(1)).toEqual(Array<number>(13).fill(NEW_TOKENS));
  });

  it('prefill once, to a page, what their system messages share', () => checkSharedSystem(pair));

  it('are as a cold run after being cancelled at ten random points', () => checkCancelling(pair));
});

describe.each(['reference', 'cpu'] as const)('conversations of a model with windows and no slots, on the %s', (device) => {
  // Gemma 3's golden has windows of 16 positions, and an answer of 100 tokens leaves them and their page of 64 behind.
  it.skipIf(!hasGolden('gemma3'))('go on from the end of a question, and share their system message', async () => {
    const pair = await openPair(await executorOf(device), await openHybrid('gemma3'));
    try {
      await checkDroppedThinking(pair, { answerTokens: 100, needsSnapshots: false });
      await checkSharedSystem(pair);
    } finally {
      await pair.dispose();
    }
  });
});
