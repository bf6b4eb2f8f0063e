/** Products of matrices as every configuration spells them: compiled by the null backend; the emulation computed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNullGpu, openTestDevice } from '../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../test/gpu-harness.ts';
import { kernelHeader, kernelKey } from '../kernel.ts';
import type { Binding, Kernel } from '../kernel.ts';
import {
  loadMatrix, MATRIX_CONFIGS, MATRIX_FEATURE, matrixEnables, matrixFunctions, matrixStart, matrixTypes, multiplyMatrices, storeMatrix,
} from './subgroup-matrix.ts';
import type { MatrixConfig } from './subgroup-matrix.ts';

const BINDINGS: readonly Binding[] = [
  { name: 'x', access: 'read', type: 'array<vec4<u32>>' },
  { name: 'y', access: 'write', type: 'array<vec4<u32>>' },
];

/** y[m][n] = twice the sum over k of x[m][k] x[16 + n][k], in lines of two vec4s, or four. */
function productKernel(config: MatrixConfig): Kernel {
  const memories = { loaded: ['x'], stored: ['y'] };
  const types = matrixTypes(config);
  const line = config.input === 'f16' ? '2u' : '4u';
  const place = (offset: string) => ({ memory: 'x', offset, stride: line });
  const wgsl = `${matrixEnables(config)}${kernelHeader(BINDINGS, {})}${matrixFunctions(config, memories)}
@compute @workgroup_size(128)
fn main(@builtin(local_invocation_index) lane: u32) {
  ${matrixStart(config)}
  let a = ${loadMatrix(config, 'left', place('0u'), memories)};
  let b = ${loadMatrix(config, 'right', { ...place('32u'), isTransposed: true }, memories)};
  var c: ${types.sum};
  c = ${multiplyMatrices(config, 'a', 'b', 'c')};
  c = ${multiplyMatrices(config, 'a', 'b', 'c')};
  ${storeMatrix(config, { memory: 'y', offset: '0u', stride: `${config.n / 4}u` }, 'c')}
}
`;
  return { key: kernelKey('matrices', config), label: 'matrices', wgsl, bindings: BINDINGS, workgroupSize: 128, needs: {} };
}

describe('subgroup matrices', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it('compile in every configuration', async () => {
    const adapter = await createNullGpu().requestAdapter();
    const device = await adapter?.requestDevice({ requiredFeatures: ['subgroups', 'shader-f16', MATRIX_FEATURE as GPUFeatureName] });
    for (const config of Object.values(MATRIX_CONFIGS)) {
      device!.pushErrorScope('validation');
      const module = device!.createShaderModule({ code: productKernel(config).wgsl });
      device!.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
      expect((await device!.popErrorScope())?.message).toBeUndefined();
    }
    device!.destroy();
  });

  it.each(['nvidia', 'metalF32'] as const)('%s, emulated', async (name) => {
    const config = { ...MATRIX_CONFIGS[name], emulated: true } as const;
    const { m, n, k, input } = config;
    const length = 16;
    // Small integers, exact in halves.
    const valueOf = (line: number, place: number) => ((line * 7 + place * 5) % 11) - 5;
    const halves = new Map(Array.from({ length: 11 }, (_, i) => {
      const [sign, size] = [i < 5 ? 0x8000 : 0, Math.abs(i - 5)];
      const exponent = size === 0 ? 0 : Math.floor(Math.log2(size));
      return [i - 5, size === 0 ? 0 : sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024)] as const;
    }));
    const x = new Uint8Array(64 * length * 4);
    const view = new DataView(x.buffer);
    for (let line = 0; line < 64; line++)
      for (let place = 0; place < length; place++) {
        const at = line * length + place;
        if (input === 'f16') view.setUint16(2 * at, halves.get(valueOf(line, place))!, true);
        else view.setFloat32(4 * at, valueOf(line, place), true);
      }
    const first = input === 'f16' ? 16 : 8;
    const out = await test.run({ kernel: productKernel(config), workgroups: [1, 1, 1], buffers: { x, y: new Float32Array(m * n) } });
    const want = Array.from({ length: m * n }, (_, i) => {
      const terms = Array.from({ length: k }, (__, place) => valueOf(Math.floor(i / n), place) * valueOf(first + (i % n), place));
      return 2 * terms.reduce((sum, term) => sum + term, 0);
    });
    expect([...(out.get('y') as Float32Array)]).toEqual(want);
  });
});
