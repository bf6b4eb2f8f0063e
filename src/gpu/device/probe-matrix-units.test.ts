import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../test/gpu-harness.ts';
import { createNullGpu } from '../../../test/gpu-harness.ts';
import { MATRIX_CONFIGS } from '../wgsl/subgroup-matrix.ts';
import { openGpuDevice } from './gpu-device.ts';
import { areMatrixUnitsRight, isProbeRight, probeInput, probeKernel } from './probe-matrix-units.ts';

describe('the probe of matrix units', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each(['nvidia', 'metalF32'] as const)('%s: right products pass, and a wrong one does not', async (name) => {
    const config = { ...MATRIX_CONFIGS[name], emulated: true } as const;
    const y = new Float32Array(4 * config.m * (config.n + 4));
    const out = await test.run({ kernel: probeKernel(config), workgroups: [1, 1, 1], buffers: { x: probeInput(config), y } });
    const written = out.get('y') as Float32Array;
    expect(isProbeRight(config, written)).toBe(true);
    written[1]! += 1;
    expect(isProbeRight(config, written)).toBe(false);
  });

  it('a device that computes nothing is found out', async () => {
    const adapter = await createNullGpu().requestAdapter();
    const gpu = await openGpuDevice(adapter!);
    expect(await areMatrixUnitsRight(gpu, MATRIX_CONFIGS.nvidia)).toBe(false);
    gpu.destroy();
  });
});
