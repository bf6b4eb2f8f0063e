import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCancelling, checkDroppedThinking, checkEnds, checkFifteenTurns, openPair } from '../../test/check-hybrid-chat.ts';
import type { Pair } from '../../test/check-hybrid-chat.ts';
import { slotDecoder } from '../../test/slot-model.ts';
import { openExecutor } from '../node/load-model.ts';

/** What a turn prefills: the last token of the answer before, its end, and the rest. */
const NEW_TOKENS = 'x!user:question!assistant:'.length;

describe.each(['reference', 'cpu'] as const)('conversations of a hybrid on the %s', (device) => {
  let pair: Pair;
  beforeAll(async () => {
    const executor = await openExecutor(device === 'cpu' ? { device, threads: 2 } : { device });
    pair = await openPair({ executor: { ...executor, prefillRows: 16 }, decoder: async () => slotDecoder({ window: null }) });
  });
  afterAll(() => pair.dispose());

  it('prefill only what is new for 15 turns, and go on as a cold run', async () => {
    expect((await checkFifteenTurns(pair)).slice(1)).toEqual(Array<number>(13).fill(NEW_TOKENS));
  });

  it("go on from the end of a question whose answer's thinking is dropped", () => checkDroppedThinking(pair));

  it('are as a cold run after being cancelled at ten random points', () => checkCancelling(pair));

  it('are as a cold run after stop texts and end tokens', async () => {
    // Of a stop text, three letters here, two were run, which are no part of the history; after an end token nothing is run again.
    expect(await checkEnds(pair)).toEqual([2, 2, 2, 2, 0, 0, 0, 0]);
  });
});

describe('conversations of a hybrid with windows', () => {
  let pair: Pair;
  beforeAll(async () => {
    const executor = await openExecutor({ device: 'cpu', threads: 2 });
    pair = await openPair({ executor: { ...executor, prefillRows: 16 }, decoder: async () => slotDecoder() });
  });
  afterAll(() => pair.dispose());

  it('prefill only what is new for 15 turns, and go on as a cold run', async () => {
    expect((await checkFifteenTurns(pair)).slice(1)).toEqual(Array<number>(13).fill(NEW_TOKENS));
  });

  it('are as a cold run after being cancelled at ten random points', () => checkCancelling(pair));
});
