import { expect, it } from 'vitest';
import { shapeOf } from '../../../../test/gpu/attention-case.ts';
import { planOfShape } from '../../../bench/plan-of-shape.ts';
import { reportPrefill } from '../../plan/plan-report.ts';
import { PROFILES } from '../../profile/profiles.ts';
import { MATRIX_CONFIGS } from '../../wgsl/subgroup-matrix.ts';
import { attentionMatrixVariant } from './attention-matrix-variant.ts';

const limits = (workgroupBytes: number) => ({ matrix: MATRIX_CONFIGS.nvidia, invocations: 1024, workgroupBytes });
const headsOf = (heads: number, headDim: number) => shapeOf({ heads, kvHeads: 1, headDim, kv: 'f16' });

it('wide tiles have twice the rows of narrow ones, and as many keys', () => {
  const rowsOf = (heads: number, headDim: number, bytes = 49_152) => (['narrow', 'wide'] as const).map((width) =>
    attentionMatrixVariant(headsOf(heads, headDim), limits(bytes), width)?.tileRows);
  expect([rowsOf(4, 128), rowsOf(3, 128), rowsOf(2, 128), rowsOf(1, 64)]).toEqual([[16, 32], [16, 32], [32, 64], [64, 128]]);
  // Values in parts; a group of which both take all heads; memory for 16 keys alone.
  expect([rowsOf(4, 256), rowsOf(5, 128), rowsOf(4, 112, 32_768)]).toEqual([[16, undefined], [16, undefined], [16, undefined]]);
});

it('a step takes wide tiles where narrow ones would be more than the cores, and never both', () => {
  const tilesOf = (rows: number, profile = PROFILES.nvidia) =>
    reportPrefill(planOfShape({ model: 'qwen3-4b', type: 'q4_0', profile }), rows).dispatches
      .flatMap(({ kernel: { label } }) => (label.startsWith('attention-matrix') ? [/\d+x\d+x\d+/.exec(label)![0]] : []));
  expect([128, 256, 257, 1024].map((rows) => tilesOf(rows))).toEqual([
    ['4x16x32', '4x16x32'], ['4x16x32', '4x16x32'], ['4x32x32', '4x32x32'], ['4x32x32', '4x32x32'],
  ]);
  const { knobs } = PROFILES.nvidia;
  const without = { ...PROFILES.nvidia, knobs: { ...knobs, attention: { ...knobs.attention, wideTilesFrom: 0 } } };
  expect(tilesOf(1024, without)).toEqual(['4x16x32', '4x16x32']);
});
