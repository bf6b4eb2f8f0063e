import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../test/gpu-harness.ts';
import { compareQ8, writtenQ8 } from '../../../test/gpu/q8-values.ts';
import { kernelHeader, kernelKey } from '../kernel.ts';
import type { Binding, Kernel } from '../kernel.ts';
import { q8Bindings } from '../linear-shape.ts';
import { q8CodeBytes, q8StatBytes } from '../q8-layout.ts';
import { q8EpilogueFunctions } from './q8-epilogue.ts';

const WIDTH = 96;
const ROWS = 5;

/** One invocation a block, straight from a buffer. */
function roundingKernel(eps: number | undefined): Kernel {
  const norm = eps === undefined ? undefined : { eps };
  const x: Binding = { name: 'x', access: 'read', type: 'array<vec4<f32>>' };
  const gain: readonly Binding[] = norm ? [{ name: 'yGain', access: 'read', type: 'array<f32>' }] : [];
  const bindings: readonly Binding[] = [x, ...q8Bindings('y', 'write'), ...gain];
  const wgsl = `${kernelHeader(bindings, {})}
${q8EpilogueFunctions({ name: 'y', width: WIDTH, norm })}
@compute @workgroup_size(${WIDTH / 16})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = (workgroup.x * ${WIDTH / 16}u + lane) * 4u;
  yPutBlock(workgroup.x, lane, mat4x4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]));
}`;
  return {
    key: kernelKey('q8-epilogue test', { eps }),
    label: 'q8 epilogue',
    wgsl,
    bindings,
    workgroupSize: WIDTH / 16,
    needs: {},
  };
}

describe('q8 epilogue', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function round(x: Float32Array, gain: Float32Array, eps: number | undefined) {
    const buffers: Record<string, BufferData> = {
      x,
      yGain: gain,
      yCodes: new Uint32Array(q8CodeBytes(ROWS, WIDTH) / 4),
      yStats: new Float32Array(q8StatBytes(ROWS, WIDTH) / 4).fill(7),
    };
    const out = await test.run({ kernel: roundingKernel(eps), workgroups: [ROWS, 1, 1], buffers });
    return writtenQ8(out, ROWS, WIDTH);
  }

  const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i * 1.7) * 10 ** ((i >> 5) % 5 - 2));
  x.fill(0, 16, 48);
  x.fill(1e-33, 64, 80);
  // Ties: the scale of this block is 1.
  x.set([127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5], 80);
  x.fill(0, 88, 96);
  const gain = Float32Array.from({ length: WIDTH }, (_, i) => (i === 3 ? 0 : 1.5 - (i % 7) * 0.5));

  it('rounds ties to even, blocks of zeros to zero, and leaves the shares alone', async () => {
    const got = await round(x, gain, undefined);
    expect(compareQ8(got, x, { error: () => 0 })).toBeUndefined();
    expect([...new Int8Array(got.codes.buffer).subarray(80, 88)]).toEqual([127, 0, 2, 2, 0, -2, -2, 126]);
    expect([...new Int8Array(got.codes.buffer).subarray(64, 80)]).toEqual(Array(16).fill(0));
    expect([...got.stats.subarray((2 * WIDTH) / 16, (3 * WIDTH) / 16)]).toEqual(Array(WIDTH / 16).fill(7));
  });

  it('multiplies by the gain, and shares out mean(x^2) + eps of the values before it', async () => {
    const eps = 1e-5;
    const got = await round(x, gain, eps);
    expect(compareQ8(got, x, { norm: { eps, gain }, error: () => 0 })).toBeUndefined();
  });

  it('a comparison fails where a code, a sum, a scale or a share is wrong', async () => {
    const eps = 1e-5;
    const got = await round(x, gain, eps);
    const wrong = (change: (copy: { codes: Uint32Array; stats: Float32Array }) => void) => {
      const copy = { ...got, codes: got.codes.slice(), stats: got.stats.slice() };
      change(copy);
      return compareQ8(copy, x, { norm: { eps, gain }, error: () => 0 });
    };
    expect(wrong(({ codes }) => (codes[0]! ^= 2))).toMatch(/^code of row 0/);
    expect(wrong(({ stats }) => (stats[0]! *= 1.01))).toMatch(/^scale of row 0/);
    expect(wrong(({ stats }) => (stats[WIDTH / 16]! += 0.1))).toMatch(/^sum of row 0/);
    expect(wrong(({ stats }) => (stats[(2 * WIDTH) / 16]! *= 1.01))).toMatch(/^share of row 0/);
  });
});
