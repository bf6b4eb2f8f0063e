/** Mixtures of published sizes on a device with small bindings: what its kernels have no form for is refused by name. */
import { describe, expect, it } from 'vitest';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import { CapacityError } from '../../src/tensor/errors.ts';
import { planOfShape } from './plan-of-shape.ts';

/** Of q4_k_m the second layer is the more precise; of LFM2 the first two have no experts. */
const LAYERS = { 'lfm2-8b-a1b': 4, 'qwen3-30b-a3b': 2, 'qwen3.5-35b-a3b': 2, 'gpt-oss-20b': 2 } as const;

/** A layer's down matrices lie in two pieces with four planes each, or four with two: eleven buffers with x, lists and result. */
const REFUSED: Readonly<Record<string, string>> = {
  'qwen3-30b-a3b q4_k_m': 'layers.1.moe.down: gemv-float q6_k+q6_k [128, 2048, 768] x4 binds 11 storage buffers of 10',
  'qwen3.5-35b-a3b q4_k_m': 'layers.1.moe.down: gemv-float q6_k+q6_k [256, 2048, 512] x4 binds 11 storage buffers of 10',
  'qwen3.5-35b-a3b q8_0': 'layers.0.moe.down: gemv-float q8_0+q8_0+q8_0+q8_0 [257, 2048, 512] x4 binds 11 storage buffers of 10',
};

describe.each(Object.keys(LAYERS) as (keyof typeof LAYERS)[])('%s on an unknown GPU, with bindings of 128 MiB', (model) => {
  it.each(['q4_0', 'q8_0', 'q4_k_m'] as const)('in %s', (type) => {
    const planning = () => planOfShape({ model, type, profile: PROFILES.generic, config: { layers: LAYERS[model] } });
    const refusal = REFUSED[`${model} ${type}`];
    if (refusal === undefined) {
      expect(planning().decoder).toBeDefined();
      return;
    }
    expect(planning).toThrow(CapacityError);
    const why = 'that the device (profile generic) has, and there is no smaller form. Use the CPU.';
    expect(planning).toThrow(`The GPU cannot run ${refusal} ${why}`);
  });
});
