/** How much memory the sequences of a model may have together. */
import { describe, expect, it } from 'vitest';
import { fakeCores } from '../../test/fake-core.ts';
import type { FakeCore } from '../../test/fake-core.ts';
import { FAKE_HOST, fakeGreedy, fakeModels, fakeTextSide, modelOfFake } from '../../test/fake-model.ts';
import { mostPages, mostSlots, sequencesIn, stateBytes } from '../graph/state-sizes.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { collect } from './collect.ts';
import { resolveDecoding } from './decoding-settings.ts';
import { generatePieces } from './generate.ts';

const { load } = fakeModels();
const cores = fakeCores();
const text = fakeTextSide();
const idsOf = (n: number, count = 200) => Array.from({ length: count }, (_, i) => (i * 7 + n) % 250);

async function ask({ core }: FakeCore, promptIds: readonly number[], maxTokens = 100) {
  const settings = resolveDecoding({ maxTokens, temperature: 0, ignoreEos: true }, FAKE_HOST);
  const { tokens } = await collect(generatePieces(() => ({ core, text, promptIds, settings })));
  expect(tokens).toEqual(fakeGreedy(promptIds, tokens.length));
}

describe('pages of more than one sequence', () => {
  it.each([
    // 300 positions of each are five pages, 512 of the context eight: then two take turns.
    [1, 8, 150, 300, {}], [4, 20, 100, 106, {}], [1, 8, 150, 330, { choosesSteps: 8 }], [4, 20, 100, 116, { choosesSteps: 8 }],
  ])('memory for %i: %i pages, and %i to %i steps for four of 100, %o', async (sequences, pages, fewest, most, program) => {
    const fake = cores({ contextLength: 512, sequences, ...program });
    await Promise.all([0, 1, 2, 3].map((n) => ask(fake, idsOf(n))));
    expect(fake.core.state.allocated).toEqual([pages]);
    expect(fake.log.runs).toBeGreaterThanOrEqual(fewest);
    expect(fake.log.runs).toBeLessThanOrEqual(most);
  });

  it('are made only when no cached one is left', async () => {
    const fake = cores({ contextLength: 512, sequences: 8 });
    for (let n = 0; n < 6; n++) await ask(fake, idsOf(n), 2);
    expect(fake.core.state.allocated).toEqual([8]);
  });

  it.each([{}, { choosesSteps: 8 }])('are as many as the device gives, where it refuses more: who came last waits, %o', async (program) => {
    const fake = cores({ contextLength: 512, sequences: 8, devicePages: 11, ...program });
    await Promise.all([0, 1, 2, 3].map((n) => ask(fake, idsOf(n))));
    expect(fake.core.state.allocated[0]).toBeLessThanOrEqual(11);
    expect(fake.core.state.allocated[0]).toBeGreaterThanOrEqual(10);
    await ask(fake, idsOf(9));
  });

  it.each([{}, { choosesSteps: 8 }])('that turn out not to be there when a step uses them are done without, %o', async (program) => {
    const fake = cores({ contextLength: 512, sequences: 8, usablePages: 11, ...program });
    await Promise.all([0, 1, 2, 3].map((n) => ask(fake, idsOf(n))));
    const { allocated, free, cached } = fake.core.state;
    expect(allocated[0]).toBeLessThanOrEqual(11);
    expect([free[0]! + cached[0]!]).toEqual(allocated);
    await ask(fake, idsOf(9));
    const small = cores({ contextLength: 512, sequences: 8, usablePages: 3 });
    await ask(small, idsOf(0, 60), 10);
    await expect(ask(small, idsOf(0))).rejects.toThrow('the device has no memory after all');
    await ask(small, idsOf(1, 60), 10);
  });

  it('of a device that has none for one sequence are refused in its own words', async () => {
    const fake = cores({ contextLength: 512, devicePages: 2 });
    await expect(ask(fake, idsOf(0))).rejects.toThrow(/^the device has no room for/);
    await ask(fake, idsOf(0, 60), 10);
  });
});

describe('sequencesIn', () => {
  const kv = { type: 'f16', pageTokens: 64, maxPages: 8 } as const;
  it.each([[{}], [{ window: 100 }], [{ hasSlots: true }], [{ window: 100, hasSlots: true }]])('counts what fits, of %j', (states) => {
    const model = modelOfFake(states);
    for (const sequences of [1, 2, 7]) {
      const bytes = stateBytes(model, { ...kv, sequences }, 256);
      const options = { model, kv, rows: 256, most: 64 };
      expect([sequencesIn(bytes, options), sequencesIn(bytes - 1, options)]).toEqual([sequences, sequences - 1]);
      expect(mostPages(model, { ...kv, sequences }, 256)[0]).toBe(8 * sequences);
    }
    expect(sequencesIn(Infinity, { model, kv, rows: 256, most: 5 })).toBe(5);
    expect(mostSlots(model, 0, { sequences: 9 })).toBe('hasSlots' in states ? 46 : 0);
  });
});

describe('memoryBudget', () => {
  it('too small for one sequence is refused, with how much it takes', async () => {
    // A page of the fake model's f32 is 64 positions of 8 numbers.
    const needed = 16 * 64 * 8 * 4;
    await expect(load({ memoryBudget: needed - 1 })).rejects.toThrow(CapacityError);
    await expect(load({ memoryBudget: needed - 1 })).rejects.toThrow(`memoryBudget ${needed - 1} is too small`);
    const { model } = await load({ memoryBudget: needed });
    expect((await collect(model.generate({ ids: idsOf(0), maxTokens: 3 }))).usage.promptTokens).toBe(200);
  });

  it.each([[0], [-1], [0.5], [Number.NaN], ['1 GB' as never]])('%j is refused', async (memoryBudget) => {
    await expect(load({ memoryBudget })).rejects.toThrow(InputError);
    await expect(load({ memoryBudget })).rejects.toThrow('memoryBudget must be an integer of at least 1, found');
  });
});
