import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8 } from '../../../../test/gpu/q8-values.ts';
import { partialBytes } from '../attention-decode/key-splits.ts';
import { attentionCombineKernel, attentionCombineWorkgroups } from './attention-combine.ts';
import type { AttentionCombineVariant } from './attention-combine.ts';

const POSITIONS = Uint32Array.of(0, 7, 8, 63, 64, 255, 256, 1000);

/** Keys of a split: the least multiple of the granule with which `count` splits hold all keys. */
function splitsInUse({ count, granule }: AttentionCombineVariant['splits'], position: number): number {
  const keys = position + 1;
  return Math.ceil(keys / (Math.ceil(keys / (count * granule)) * granule));
}

/** Random partial results, NaN where a split has no keys, and what they add up to: the weights of each are relative to 2^its maximum. */
function makePartials({ shape: { heads, valueDim }, splits }: AttentionCombineVariant) {
  const partials = new Float32Array(partialBytes({ heads, valueDim }, splits, POSITIONS.length) / 4).fill(NaN);
  const want = new Float64Array(POSITIONS.length * heads * valueDim);
  let seed = 7;
  const random = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 31) - 1;
  for (let head = 0; head < POSITIONS.length * heads; head++) {
    let total = 0;
    for (let split = 0; split < splitsInUse(splits, POSITIONS[Math.floor(head / heads)]!); split++) {
      const at = (head * splits.count + split) * (valueDim + 4);
      const [most, weight] = [Math.fround(random() * 20), Math.fround(1 + 3 * Math.abs(random()))];
      partials.set([most, weight, 0, 0], at + valueDim);
      total += weight * 2 ** most;
      for (let i = 0; i < valueDim; i++) {
        partials[at + i] = random() * weight;
        want[head * valueDim + i]! += partials[at + i]! * 2 ** most;
      }
    }
    for (let i = 0; i < valueDim; i++) want[head * valueDim + i]! /= total;
  }
  return { partials, want };
}

describe('attention-combine', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each([
    [16, 'f32', 1, 16, 4], [16, 'f32', 4, 8, 16], [20, 'f32', 5, 16, 64], [64, 'f32', 32, 8, 64], [128, 'f32', 32, 32, 256],
    [16, 'q8', 4, 8, 32], [64, 'q8', 32, 8, 64], [48, 'q8', 7, 16, 48],
  ] as const)('valueDim %i, %s, %i splits of %i, %i invocations', async (valueDim, output, count, granule, invocations) => {
    const variant: AttentionCombineVariant = { shape: { heads: 2, valueDim, output }, splits: { count, granule }, invocations };
    const { partials, want } = makePartials(variant);
    const rows = POSITIONS.length;
    const width = 2 * valueDim;
    const buffers = {
      positions: POSITIONS, partials, y: new Float32Array(rows * width).fill(NaN),
      yCodes: new Uint32Array((rows * width) / 4), yStats: new Float32Array(Math.ceil((rows * 3 * width) / 16)),
    };
    const out = await test.run({ kernel: attentionCombineKernel(variant), workgroups: attentionCombineWorkgroups(variant, rows), buffers });
    if (output === 'q8') {
      const got = { rows, width, codes: out.get('yCodes') as Uint32Array, stats: out.get('yStats') as Float32Array };
      expect(compareQ8(got, want, { error: () => 2e-6 })).toBeUndefined();
      return;
    }
    const y = out.get('y') as Float32Array;
    // |values| / weight is at most 1; exp2 of differences up to 40 and a sum of up to 32 leave 1e-6.
    expect(want.findIndex((value, i) => !(Math.abs(y[i]! - value) <= 2e-6))).toBe(-1);
  });

  it('refuses fewer invocations than a head has quads', () => {
    expect(() =>
      attentionCombineKernel({ shape: { heads: 1, valueDim: 128, output: 'f32' }, splits: { count: 4, granule: 8 }, invocations: 16 }),
    ).toThrow('too few');
  });
});
