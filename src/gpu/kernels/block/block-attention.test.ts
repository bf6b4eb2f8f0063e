/** Keys and values that halves do not hold, written and read by a block; all else of it: test/gpu/block.test.ts. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { shapeOf } from '../../../../test/gpu/attention-case.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { f16ToF32, f32ToF16 } from '../../../tensor/half.ts';
import { blockKernel, blockWorkgroups } from './block.ts';
import type { BlockVariant } from './block.ts';

const WILD = [65_504, -65_504, 65_519, 65_521, -65_521, 1e30, Infinity, -Infinity, NaN, 4e-8, -6e-5, 1e-40, 1];
const HELD = WILD.map((value) => f16ToF32(f32ToF16(value)));
const DIM = 16;
const shape = shapeOf({
  heads: 1, kvHeads: 1, headDim: DIM, kv: 'f16', pageTokens: 1, maxPages: 1, q: { rotaryDim: 0 }, k: { rotaryDim: 0 },
});
const variant: BlockVariant = {
  width: DIM, parts: 1, norm: { eps: 1e-20 }, activations: 'float', first: { type: 'f32', rows: 3 * DIM },
  middle: { kind: 'attention', shape, queryHeads: 1, keys: 4 }, second: { type: 'f32', rows: DIM }, invocations: 64,
};

let test: TestDevice;
beforeAll(async () => void (test = await openTestDevice()));
afterAll(() => test.close());

it.each(['key', 'value'])('a %s is written, and seen by its own row, as the half nearest to it', async (part) => {
  const found: number[][] = [];
  for (const value of WILD) {
    // The norm leaves x as it is: 4, and zeros, which would make NaN of infinite weights beside this one.
    const first = new Float32Array(3 * DIM * DIM);
    first[(part === 'key' ? DIM : 2 * DIM) * DIM] = value / 4;
    const zeros = Uint32Array.of(0);
    const out = await test.run({
      kernel: blockKernel(variant),
      workgroups: blockWorkgroups(variant, 1),
      buffers: {
        parts: Float32Array.of(4, ...new Float32Array(DIM - 1)), gains: new Float32Array(DIM).fill(1), p0_values: first,
        // Of the second of x, which is 0 itself.
        p1_values: new Float32Array(DIM * DIM).fill(1, DIM, DIM + 1),
        positions: zeros, rowSequence: zeros, pageTable: zeros, kv: new Float32Array(DIM), y: new Float32Array(DIM),
      },
    });
    const { buffer, byteOffset } = out.get('kv') as Float32Array;
    const stored = f16ToF32(new Uint16Array(buffer, byteOffset)[part === 'key' ? 0 : DIM]!);
    found.push(part === 'key' ? [stored] : [stored, (out.get('y') as Float32Array)[1]!]);
  }
  expect(found).toEqual(HELD.map((value) => (part === 'key' ? [value] : [value, value])));
});
