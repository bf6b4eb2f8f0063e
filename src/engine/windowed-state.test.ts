/** What a group with a window keeps of a sequence, and what it can go back to, on the CPU. */
import { afterEach, describe, expect, it } from 'vitest';
import { expectClose } from '../../test/relative-error.ts';
import { ensureAllPages, inEveryGroup } from '../../test/state-places.ts';
import { syntheticGraph, syntheticRequest } from '../../test/synthetic-graph.ts';
import type { SyntheticShape } from '../../test/synthetic-graph.ts';
import { decoderSteps } from '../graph/decoder-steps.ts';
import type { Program } from '../graph/executor.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import { createModelCore } from './model-core.ts';
import type { ModelCore } from './model-core.ts';
import { openSequence } from './open-sequence.ts';

const programs: Program[] = [];
afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.dispose()));
});

const VOCAB = 40;
const idsOf = (count: number, seed = 0) => Int32Array.from({ length: count }, (_, i) => (i * 17 + seed * 5 + 3) % VOCAB);
/** Five layers with a window, then one without: as Gemma 3 has them, with one narrow head. */
const gemma = (window: number): SyntheticShape => ({
  layers: 6,
  dim: 16,
  heads: 1,
  kvHeads: 1,
  headDim: 8,
  ffnDim: 16,
  vocab: VOCAB,
  windows: [window, window, window, window, window, undefined],
});

async function coreOf(
  shape: SyntheticShape,
  { contextLength, maxRows }: { contextLength: number; maxRows: number },
): Promise<ModelCore & { program: Program }> {
  const kv = { type: 'f32', pageTokens: 64, maxPages: Math.ceil(contextLength / 64) } as const;
  const request = syntheticRequest({ graph: syntheticGraph(shape), typeOf: () => 'f32', maxRows, kv });
  const program = await (await openExecutor({ device: 'cpu', threads: 2 })).load(request);
  programs.push(program);
  const size = { vocabSize: VOCAB, contextLength, modelContextLength: contextLength, maxRows, causal: true, hasFixedPace: true };
  return { ...createModelCore({ ...size, program, kv }), program };
}

async function extendTo(core: ModelCore, sequence: ReturnType<typeof openSequence>, ids: Int32Array): Promise<Float32Array> {
  for (;;) {
    const end = Math.min(ids.length, sequence.length + core.maxRows);
    const { logits } = await sequence.extend(ids, { end, outputs: end === ids.length ? [end - 1] : [] });
    if (end === ids.length) return logits.slice();
  }
}

const TOLERANCE = 1e-4;

describe('a group with a window', () => {
  it('takes the memory of its window at 32,768 positions, in a model shaped as Gemma 3', async () => {
    const [positions, window, rows] = [32_768, 512, 512];
    const core = await coreOf(gemma(window), { contextLength: positions, maxRows: rows });
    await extendTo(core, openSequence(core), idsOf(positions));
    /** Keys and values of one layer and one position. */
    const ofLayer = 2 * 8 * 4;
    const [whole, windowed] = [positions * ofLayer, (window + rows + 2 * 64) * 5 * ofLayer];
    expect(core.program.memory.kvBytes).toBeGreaterThanOrEqual(whole);
    expect(core.program.memory.kvBytes).toBeLessThanOrEqual(whole + windowed);
    // A sixth of what six layers without windows take, and the windows.
    expect(core.program.memory.kvBytes).toBeLessThan(0.3 * 6 * whole);
  });

  it('gives what the reference gives with all pages there, far past the window', async () => {
    const ids = idsOf(700);
    const core = await coreOf(gemma(20), { contextLength: 1024, maxRows: 48 });
    const found = await extendTo(core, openSequence(core), ids);
    const request = syntheticRequest({ graph: syntheticGraph(gemma(20)), typeOf: () => 'f32', maxRows: 700, kv: { maxPages: 100 } });
    const reference = await createReferenceExecutor().load(request);
    ensureAllPages(reference, 100);
    const pages = inEveryGroup(Array.from({ length: 100 }, (_, i) => i));
    const { logits } = await decoderSteps(reference).run({ sequences: [{ tokens: ids, start: 0, pages, outputs: [699] }] });
    expectClose('logits', { wanted: logits, found }, TOLERANCE);
  });

  it('goes back within what it holds; an edit further back than the window begins anew, and both are right', async () => {
    const core = await coreOf(gemma(20), { contextLength: 1024, maxRows: 48 });
    const ids = idsOf(500);
    for (const [edit, kept] of [[499, 499], [490, 490], [300, 0], [21, 0], [0, 0]] as const) {
      const sequence = openSequence(core);
      await extendTo(core, sequence, ids);
      const edited = Int32Array.from([...ids.subarray(0, edit), (ids[edit]! + 1) % VOCAB, ...idsOf(30, 4)]);
      expect(sequence.keepPrefix(edited)).toBe(kept);
      const found = await extendTo(core, sequence, edited);
      sequence.close();
      const cold = openSequence(core);
      expectClose(`an edit at ${edit}`, { wanted: await extendTo(core, cold, edited), found }, TOLERANCE);
      cold.close();
    }
    expect(core.state.free.map((free, group) => free + core.state.cached[group]!)).toEqual(core.state.allocated);
  });

  it('serves other sequences with what it gave back', async () => {
    const core = await coreOf(gemma(20), { contextLength: 1024, maxRows: 48 });
    const [a, b] = [openSequence(core), openSequence(core)];
    const [first, second] = [idsOf(420), idsOf(420, 9)];
    for (let end = 60; end <= 420; end += 60) {
      await extendTo(core, a, first.subarray(0, end));
      await extendTo(core, b, second.subarray(0, end));
    }
    expect([a.length, b.length]).toEqual([420, 420]);
    const [more, again] = [Int32Array.of(...first, 1), Int32Array.of(...second, 2)];
    const found = [await extendTo(core, a, more), await extendTo(core, b, again)];
    for (const [i, ids] of [more, again].entries()) {
      const cold = openSequence(core);
      expectClose(`sequence ${i}`, { wanted: await extendTo(core, cold, ids), found: found[i]! }, TOLERANCE);
      cold.close();
    }
  });
});
