import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkCancelling, checkDroppedThinking, checkEnds, checkFifteenTurns, openPair } from '../check-hybrid-chat.ts';
import type { Pair } from '../check-hybrid-chat.ts';
import { slotDecoder } from '../slot-model.ts';
import { softwareExecutor, TEST_PROFILES } from './executor-check.ts';

describe('conversations of a hybrid, with up to 16 steps a submit', { timeout: 180_000 }, () => {
  let pair: Pair;
  beforeAll(async () => {
    // Steps take no time by this clock, so that a submit has twice the steps of the one before, up to 16, however slow the machine is.
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const executor = await softwareExecutor({ profile: { ...TEST_PROFILES.float, prefillRows: 32, stepsPerSubmit: 16 } });
    pair = await openPair({ executor, decoder: async () => slotDecoder({ window: null }) });
  }, 180_000);
  afterAll(async () => {
    vi.restoreAllMocks();
    await pair.dispose();
  });

  it('prefill only what is new for 15 turns, and go on as a cold run', async () => {
    const questionAndNames = 'x!user:question!assistant:';
    expect((await checkFifteenTurns(pair, { answerTokens: 24 })).slice(1)).toEqual(Array<number>(13).fill(questionAndNames.length));
  });

  it("go on from the end of a question whose answer's thinking is dropped", () => checkDroppedThinking(pair));

  it('are as a cold run after being cancelled at ten random points', () => checkCancelling(pair));

  it('are as a cold run after stop texts and end tokens in the middle of a submit', async () => {
    const again = await checkEnds(pair);
    expect(Math.max(...again)).toBeGreaterThan(3);
    // The submit in which it ended, and two tokens of a stop text.
    expect(Math.max(...again)).toBeLessThanOrEqual(16 + 2);
  });
});
