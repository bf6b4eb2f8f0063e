/** Attention on matrix units in whole programs, in plain WGSL: which kernels steps run, and that they give the reference's logits. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import type { GpuProgram } from '../../src/gpu/program/gpu-program.ts';
import { MATRIX_CONFIGS } from '../../src/gpu/wgsl/subgroup-matrix.ts';
import { tokenRun } from '../../src/graph/decoder-steps.ts';
import { decoderOf } from '../../src/graph/model-graphs.ts';
import { TINY } from '../synthetic-graph.ts';
import { fullAttentionGraph } from './attention-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import type { CheckedPair } from './executor-check.ts';

const { float } = TEST_PROFILES;
const profile: DeviceProfile = {
  ...float,
  // Room for tiles of 16 keys only: SwiftShader compiles larger ones for half a minute.
  workgroupBytes: 16384,
  subgroupMatrix: { ...MATRIX_CONFIGS.metalF32, emulated: true },
  knobs: { ...float.knobs, attention: { ...float.knobs.attention, tileSplitFrom: 40, tileSplitRows: 16, tileSplits: 3 } },
};

let pair: CheckedPair;
beforeAll(async () => {
  pair = await loadPair({
    profile, shape: { ...TINY, layers: 1, qkNorm: true }, tolerance: 2e-5,
    weights: { typeOf: () => 'f32', kv: { type: 'f32', pageTokens: 8, maxPages: 20 } },
  });
});
afterAll(() => pair?.dispose());

it.each([
  ['many rows', [sequence(32)], ['attention-matrix']],
  ['few rows behind many', [sequence(9, { start: 32 })], ['attention-matrix split', 'attention-combine']],
  ['few rows of several sequences', [sequence(5, { start: 41 }), sequence(7, { pages: [8, 9], seed: 5 })],
    ['attention-matrix split', 'attention-combine']],
  ['more rows than are split', [sequence(20, { start: 46, pages: [0, 1, 2, 3, 4, 5, 6, 7, 10] })], ['attention-matrix']],
])('%s', async (_, sequences, kernels) => {
  await compareRuns(pair, [{ sequences }]);
  const names = decoderOf(pair.found.model);
  const { steps } = await (pair.found as GpuProgram).runDispatches(tokenRun(names, sequences, [names.logits]));
  const labels = steps.flatMap(({ label }) =>
    label.startsWith('attention') ? [`${label.split(' ')[0]}${label.includes('split') ? ' split' : ''}`] : []);
  expect([...new Set(labels)]).toEqual(kernels);
});

it('of all rows, whose keys are in no cache', async () => {
  const all = await loadPair({
    profile, shape: fullAttentionGraph([20], 36), tolerance: 2e-5,
    weights: { typeOf: () => 'f32', kv: { type: 'f32', pageTokens: 8, maxPages: 8 } },
  });
  const sequences = [sequence(31)];
  await compareRuns(all, [{ sequences }]);
  const names = decoderOf(all.found.model);
  const { steps } = await (all.found as GpuProgram).runDispatches(tokenRun(names, sequences, [names.logits]));
  const labels = steps.map(({ label }) => label.split(' ')[0]);
  expect(labels).toEqual(expect.arrayContaining(['matrix-keys', 'full-attention-matrix']));
  expect(labels).not.toContain('full-attention');
  await all.dispose();
});
