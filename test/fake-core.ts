/** What calls on a fake model share, for tests of who holds which memory. */
import { afterEach } from 'vitest';
import { createModelCore } from '../src/engine/model-core.ts';
import type { ModelCore } from '../src/engine/model-core.ts';
import { mostSlots } from '../src/graph/state-sizes.ts';
import { fakeProgram, FAKE_VOCAB, modelOfFake } from './fake-model.ts';
import type { FakeLog, FakeOptions } from './fake-model.ts';

export interface FakeCore {
  readonly core: ModelCore;
  readonly log: FakeLog;
}

/** Makes cores, which are closed after the test. */
export function fakeCores(): (options?: FakeOptions & { readonly snapshots?: number; readonly sequences?: number }) => FakeCore {
  const open: ModelCore[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((core) => core.close()));
  });
  return ({ contextLength = 512, snapshots = 4, sequences = 1, ...options } = {}) => {
    const log: FakeLog = { steps: [], runs: 0, pages: 0, isDisposed: false };
    const model = modelOfFake(options);
    const [maxRows, kv] = [256, { type: 'f32', pageTokens: 64, maxPages: Math.ceil(contextLength / 64), sequences } as const];
    const core = createModelCore({
      program: fakeProgram({ model, kv, sizes: { rows: maxRows } }, options, log), vocabSize: FAKE_VOCAB, contextLength,
      modelContextLength: contextLength, maxRows, causal: true, hasFixedPace: true, kv,
      snapshots: mostSlots(model, 0) === 0 ? 0 : snapshots,
    });
    open.push(core);
    return { core, log };
  };
}
