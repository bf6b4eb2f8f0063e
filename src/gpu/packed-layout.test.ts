import { describe, expect, it } from 'vitest';
import { layOutMatrix, packedBlocksOf, packedFormatOf } from './packed-layout.ts';
import { SYNTH_MODELS, SYNTH_TYPES, synthPlan } from '../models/synth-shapes.ts';
import { CapacityError } from '../tensor/errors.ts';
import { Q4_1 } from '../tensor/formats/q4-1.ts';
import { bytesOfElements, isQuantized, WEIGHT_TYPES } from '../tensor/tensor-type.ts';

const isMatrix = ({ shape }: { readonly shape: readonly number[] }) => shape.length === 2;

describe('weights on the GPU against those in the file', () => {
  it.each(SYNTH_MODELS.flatMap((model) => SYNTH_TYPES.map((type) => [model, type] as const)))('%s as %s: within 3%', (model, fileType) => {
    let [fileBytes, gpuBytes] = [0, 0];
    for (const { type, shape } of synthPlan(model, fileType).tensors.filter(isMatrix)) {
      const [rows, cols] = shape as [number, number];
      fileBytes += bytesOfElements(type, rows * cols);
      gpuBytes += layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes;
    }
    expect(gpuBytes / fileBytes).toBeGreaterThanOrEqual(1);
    expect(gpuBytes / fileBytes).toBeLessThan(1.03);
  });

  it.each(WEIGHT_TYPES.filter(isQuantized))('every matrix of qwen3-0.6b in %s: within 3%', (type) => {
    for (const { shape } of synthPlan('qwen3-0.6b', 'f16').tensors.filter(isMatrix)) {
      const [rows, cols] = shape as [number, number];
      expect(
        layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes / bytesOfElements(type, rows * cols),
        `[${rows}, ${cols}]`,
      ).toBeLessThan(1.03);
    }
  });

  it("zero points of AWQ's and GPTQ's folders in groups of 128: within 3%", () => {
    const [rows, cols] = [4096, 4096];
    const fileBytes = (rows * cols * (4 + (16 + 4) / 128)) / 8;
    expect(layOutMatrix(packedFormatOf('affine4_point_g128_f16'), rows, cols).sizeBytes / fileBytes).toBeLessThan(1.03);
  });
});

it('a format that no packed form covers is refused by its name', () => {
  expect(packedBlocksOf(Q4_1)).toEqual(packedFormatOf('q4_1'));
  for (const change of [
    { minimum: undefined, scale: { levels: 1, format: 'bf16', offset: 0 } }, { minimum: undefined, groupSize: 64 },
    { minimum: { ...Q4_1.minimum!, sign: -1 } }, { code: { kind: 'floats', values: Array.from({ length: 16 }, (_, i) => i / 3) } },
  ] as const) {
    const pack = () => packedBlocksOf({ ...Q4_1, ...change, name: 'q4_9' });
    expect(pack, JSON.stringify(change)).toThrow(CapacityError);
    expect(pack).toThrow(/no packed form for .*q4_9/);
  }
});
