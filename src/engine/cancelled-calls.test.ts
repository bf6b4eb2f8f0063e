/** Calls that are left, aborted or read to their end at random: whatever memory they had is free again. */
import { describe, expect, it } from 'vitest';
import { fakeCores } from '../../test/fake-core.ts';
import { FAKE_HOST, fakeGreedy, fakeTextSide } from '../../test/fake-model.ts';
import { resolveDecoding } from './decoding-settings.ts';
import { generatePieces } from './generate.ts';
import type { ModelCore } from './model-core.ts';
import { openSequence } from './open-sequence.ts';
import type { Sequence } from './sequence.ts';

const cores = fakeCores();
const text = fakeTextSide();

interface Plan {
  readonly ids: readonly number[];
  readonly maxTokens: number;
  /** After how many tokens; 0: not at all. */
  readonly leavesAt: number;
  readonly abortsAt: number;
  /** Whenever a timer comes. */
  readonly abortsSoon: boolean;
  readonly sequence?: Sequence | undefined;
}

async function call(core: ModelCore, { ids, maxTokens, leavesAt, abortsAt, abortsSoon, sequence }: Plan): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () => controller.abort(new Error('cancelled'));
  if (abortsSoon) setTimeout(abort, 0);
  const settings = resolveDecoding({ maxTokens, temperature: 0, ignoreEos: true }, FAKE_HOST);
  const lastingTokens = sequence === undefined ? undefined : ids.length;
  const tokens: number[] = [];
  try {
    for await (const piece of generatePieces(() => ({ core, text, promptIds: ids, lastingTokens, settings, sequence, signal }))) {
      tokens.push(...piece.tokens);
      if (tokens.length === leavesAt) break;
      if (tokens.length === abortsAt) abort();
    }
  } catch (error) {
    expect((error as Error).message).toBe('cancelled');
  }
  expect(tokens).toEqual(fakeGreedy(ids, tokens.length));
}

function randomPlans(): (n: number) => Plan {
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  return (n) => ({
    ids: Array.from({ length: 1 + random(90) }, (_, i) => (i * 7 + (n % 3)) % 250),
    maxTokens: 1 + random(12), leavesAt: random(14), abortsAt: random(14), abortsSoon: random(14) === 13,
  });
}

describe.each([
  ['pages', {}],
  ['pages of a window', { window: 70 }],
  ['slots', { hasSlots: true }],
  ['windows and slots', { window: 70, hasSlots: true }],
  ['pages, tokens chosen by the program', { choosesSteps: 8 }],
  ['windows and slots, tokens chosen by the program', { window: 70, hasSlots: true, choosesSteps: 8 }],
])('1,000 calls cancelled at random, a model with %s', (_, states) => {
  it('leave pages, slots and memory as they were', async () => {
    const { core } = cores(states);
    const { state } = core;
    const planOf = randomPlans();
    const chats = Array.from({ length: 5 }, () => openSequence(core));
    for (let n = 0; n < 1000; n += 20) {
      // Every fourth is a turn of a conversation that stays open, which has one turn at a time.
      await Promise.all(
        Array.from({ length: 20 }, (_call, i) => call(core, { ...planOf(n + i), sequence: i % 4 === 0 ? chats[i / 4] : undefined })),
      );
    }
    for (const chat of chats) chat.close();
    const most = state.allocated;
    expect(most.every((pages) => pages > 0 && pages <= 8)).toBe(true);
    expect(state.free.map((free, group) => free + (state.cached[group] as number))).toEqual(most);
    expect(state.slots.free + state.slots.cached).toBe(state.slots.allocated);
    // Whatever is cached goes to who needs it: a sequence may have every page there is.
    const ids = Array.from({ length: 500 }, (_id, i) => (i * 3) % 250);
    await call(core, { ids, maxTokens: 12, leavesAt: 0, abortsAt: 0, abortsSoon: false });
    expect(state.allocated[0]).toBe(8);
  });
});
