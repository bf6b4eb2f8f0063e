import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNullGpu } from '../../../test/gpu-harness.ts';
import type { SamplingSettings } from '../../graph/sampling.ts';
import { IN_PROMPT, SAMPLING_BYTES, samplingRecord, tokenCounts } from './sampling-record.ts';
import { samplerScratch, samplerSteps } from './sampler-steps.ts';
import { samplerWorkgroups } from './sampler-variant.ts';
import { workgroupBytesOf } from '../kernel.ts';

const SETTINGS: SamplingSettings = {
  temperature: 0.6,
  topK: 20,
  topP: 0.95,
  minP: 0.05,
  repetitionPenalty: 1.1,
  presencePenalty: 0.5,
  frequencyPenalty: -0.25,
  seed: 2 ** 52 + 9,
};

describe('samplingRecord', () => {
  it('holds the settings as the kernels read them', () => {
    const words = samplingRecord(SETTINGS);
    const floats = new Float32Array(words.buffer);
    expect(words.byteLength).toBe(SAMPLING_BYTES);
    expect([words[0], words[1]]).toEqual([9, 2 ** 20]);
    expect(Math.abs(floats[2]! + floats[3]! - Math.LOG2E / 0.6)).toBeLessThan(1e-13);
    expect(floats[4]).toBe(Math.fround(45 * Math.LN2 * 0.6));
    expect(floats[5]).toBe(Math.fround(-Math.log(0.05) * 0.6));
    expect([words[6], words[7]! / 2 ** 32]).toEqual([20, expect.closeTo(0.95, 9)]);
    expect([words[12], samplingRecord({ ...SETTINGS, temperature: 0 })[12]]).toEqual([0, 1]);
    expect([floats[8], floats[9], floats[10]]).toEqual([Math.fround(1.1), 0.5, -0.25]);
  });

  it('says that cuts are off, and keeps the least cut on', () => {
    const off = samplingRecord({ ...SETTINGS, topK: 0, topP: 1, minP: 0 });
    expect([off[6], off[7], new Float32Array(off.buffer)[5]]).toEqual([0, 0, 3.4028234663852886e38]);
    expect(samplingRecord({ ...SETTINGS, topP: 1e-300 })[7]).toBe(1);
    expect(samplingRecord({ ...SETTINGS, topP: 1 - 1e-16 })[7]).toBe(2 ** 32 - 1);
    expect(samplingRecord({ ...SETTINGS, topK: 2 ** 40 })[6]).toBe(2 ** 32 - 1);
  });

  it.each([0, 1e-300, 1e300])('holds finite numbers at temperature %f', (temperature) => {
    const floats = new Float32Array(samplingRecord({ ...SETTINGS, temperature }).buffer);
    expect(floats.subarray(2, 6).every(Number.isFinite)).toBe(true);
  });
});

describe('tokenCounts', () => {
  it('marks the prompt and counts the output', () => {
    expect([...tokenCounts({ vocab: 6, promptIds: [1, 1, 4], outputIds: [4, 2, 2] })]).toEqual([0, IN_PROMPT, 2, 0, IN_PROMPT + 1, 0]);
  });
});

describe('sampler kernels', () => {
  let device: GPUDevice;
  beforeAll(async () => {
    const adapter = await createNullGpu().requestAdapter() as GPUAdapter;
    device = await adapter.requestDevice();
  });
  afterAll(() => device.destroy());

  it.each([50, 128_256, 151_936, 262_144, 32_003])('fit default limits, vocabulary of %i', async (vocab) => {
    for (const mode of ['greedy', 'full'] as const) {
      for (const penalties of [false, true]) {
        const variant = { vocab, mode, penalties, invocations: 256, workgroups: samplerWorkgroups(vocab, 256), ringSize: 64 };
        const scratch = samplerScratch(variant);
        const given = new Set([...Object.keys(scratch), 'logits', 'settings', 'tokens', 'positions', 'chosen', 'rows', 'counts']);
        const steps = samplerSteps(variant);
        expect(steps).toHaveLength(mode === 'greedy' ? 2 : 4);
        for (const { kernel, workgroups } of steps) {
          expect(workgroupBytesOf(kernel.wgsl)).toBeLessThanOrEqual(16_384);
          expect(workgroups).toBeLessThanOrEqual(256);
          expect(kernel.bindings.filter(({ name }) => !given.has(name) || !kernel.wgsl.includes(name))).toEqual([]);
          device.pushErrorScope('validation');
          device.createComputePipeline({
            layout: 'auto',
            compute: { module: device.createShaderModule({ code: kernel.wgsl }), entryPoint: 'main' },
          });
          const error = await device.popErrorScope();
          expect(error?.message).toBeUndefined();
        }
      }
    }
  });
});
