import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packMatrix } from '../../../test/gpu/pack-matrix.ts';
import { typeCases } from '../../../test/gpu/type-cases.ts';
import { openTestDevice } from '../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../test/gpu-harness.ts';
import { randomWeights, randomSource } from '../../tensor/codec/random-weights.ts';
import { decodeRows } from '../../tensor/codec/decode-rows.ts';
import { isQuantized, TENSOR_TYPES } from '../../tensor/tensor-type.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { kernelHeader, kernelKey } from '../kernel.ts';
import type { Kernel } from '../kernel.ts';
import { partBindings } from '../linear-shape.ts';
import { weightValueFunctions } from './weight-values.ts';

/** One invocation decodes one quad of a row. */
function decodeKernel(type: WeightType, rows: number, cols: number): Kernel {
  const quads = Math.ceil(cols / 4);
  const part = { type, rows };
  const bindings = [...partBindings(part, 3, cols), { name: 'y', access: 'write' as const, type: 'array<vec4<f32>>' }];
  const wgsl = `${kernelHeader(bindings, {})}
${weightValueFunctions(part, 3, cols)}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < ${rows * quads}u) { y[id.x] = quad3(id.x / ${quads}u, id.x % ${quads}u); }
}`;
  return { key: kernelKey('decode', part), label: `decode ${type}`, wgsl, bindings, workgroupSize: 64, needs: {} };
}

describe('weightValueFunctions', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device.close());

  for (const { type, options } of typeCases(undefined, true)) {
    it(`decodes ${type}`, options, async () => {
      for (const cols of isQuantized(type) ? [TENSOR_TYPES[type].blockSize, 3 * TENSOR_TYPES[type].blockSize] : [1, 4, 7, 261]) {
        const rows = 5;
        const quads = Math.ceil(cols / 4);
        const bytes = randomWeights(type, rows, cols, randomSource(cols));
        const want = new Float32Array(rows * cols);
        decodeRows(type, bytes, want);
        const planes = packMatrix(type, rows, cols, bytes);
        const buffers = Object.fromEntries(Object.entries(planes).map(([name, plane]) => [`p3_${name}`, plane]));
        const kernel = decodeKernel(type, rows, cols);
        const result = await device.run({
          kernel,
          workgroups: [Math.ceil((rows * quads) / 64), 1, 1],
          buffers: { ...buffers, y: new Float32Array(rows * quads * 4) },
        });
        const got = result.get('y')!;
        for (let row = 0; row < rows; row++) {
          for (let col = 0; col < 4 * quads; col++) {
            const expected = col < cols ? want[row * cols + col]! : 0;
            const value = got[row * quads * 4 + col]!;
            // Floats are exact; of blocks, the GPU rounds the scale, the product, the minimum and their difference.
            const allowed = isQuantized(type) ? 4e-7 * Math.abs(expected) + 2e-8 : 0;
            expect(
              Math.abs(value - expected),
              `${type} [${rows}, ${cols}] ${row},${col}: ${value}, expected ${expected}`,
            ).toBeLessThanOrEqual(allowed);
          }
        }
      }
    });
  }
});
