import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpuDevice } from './gpu-device.ts';
import type { GpuDevice } from './gpu-device.ts';
import { measureCopyBandwidth, measureDispatch } from './measure-device.ts';
import { createPipelines, kernelProblems } from './pipeline-cache.ts';
import { kernelHeader, kernelKey } from '../kernel.ts';
import type { Binding, Kernel } from '../kernel.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { testGpu } from '../../../test/gpu-harness.ts';

const BINDINGS: readonly Binding[] = [
  { name: 'x', access: 'read', type: 'array<f32>' },
  { name: 'y', access: 'write', type: 'array<f32>' },
];

function addKernel(variant: { readonly amount: number }, change: Partial<Kernel> = {}): Kernel {
  const wgsl = `${kernelHeader(BINDINGS, {})}
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  y[id.x] = x[id.x] + ${variant.amount}.0;
}
`;
  return {
    key: kernelKey('add', variant),
    label: `add ${variant.amount}`,
    wgsl,
    bindings: BINDINGS,
    workgroupSize: 32,
    needs: {},
    ...change,
  };
}

let gpu: GpuDevice;

beforeAll(async () => {
  const adapter = await testGpu().requestAdapter();
  if (adapter === null) throw new Error('no adapter');
  gpu = await openGpuDevice(adapter);
});
afterAll(() => gpu.destroy());

describe('pipelines', () => {
  it('compiles each key once, and tells what is ready', async () => {
    const pipelines = createPipelines(gpu);
    expect(pipelines.ready(addKernel({ amount: 1 }))).toBeUndefined();
    const [first, same, other] = await Promise.all([
      pipelines.get(addKernel({ amount: 1 })),
      pipelines.get(addKernel({ amount: 1 })),
      pipelines.get(addKernel({ amount: 2 })),
    ]);
    expect(same).toBe(first);
    expect(other.pipeline).not.toBe(first.pipeline);
    expect(other.layout).toBe(first.layout);
    expect(pipelines.ready(addKernel({ amount: 1 }))).toBe(first);
    expect(pipelines.ready(addKernel({ amount: 3 }))).toBeUndefined();
  });

  it('runs what it compiled', async () => {
    const { pipeline, layout } = await createPipelines(gpu).get(addKernel({ amount: 3 }));
    const make = (usage: number) => gpu.createBuffer({ label: 'data', size: 128, usage });
    const [x, y, back] = [
      make(GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST),
      make(GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC),
      make(GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST),
    ];
    gpu.queue.writeBuffer(x, 0, Float32Array.from({ length: 32 }, (_, i) => i));
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      gpu.device.createBindGroup({ layout, entries: [x, y].map((buffer, binding) => ({ binding, resource: { buffer } })) }),
    );
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(y, 0, back, 0, 128);
    gpu.queue.submit([encoder.finish()]);
    await gpu.pending(back.mapAsync(GPUMapMode.READ));
    expect([...new Float32Array(back.getMappedRange())]).toEqual(Array.from({ length: 32 }, (_, i) => i + 3));
    for (const buffer of [x, y, back]) buffer.destroy();
  });

  it('refuses a key that stands for two texts', async () => {
    const pipelines = createPipelines(gpu);
    const kernel = addKernel({ amount: 1 });
    await pipelines.get(kernel);
    await expect(pipelines.get({ ...kernel, wgsl: `${kernel.wgsl}\n` })).rejects.toThrow(/different texts have the key add \{amount:1\}/);
  });

  it('names kernel and line of a text that does not compile, and goes on', async () => {
    const pipelines = createPipelines(gpu);
    const wgsl = addKernel({ amount: 1 }).wgsl.replace('x[id.x]', 'z[id.x]');
    await expect(pipelines.get(addKernel({ amount: 5 }, { wgsl }))).rejects.toThrow(
      /kernel add 5 does not compile:\nline 6: .*'z'.*\n.*z\[id\.x\]/s,
    );
    await expect(
      pipelines.get(addKernel({ amount: 6 }, { wgsl: addKernel({ amount: 6 }).wgsl.replace('fn main', 'fn other') })),
    ).rejects.toThrow(/kernel add 6 does not compile/);
    await expect(pipelines.get(addKernel({ amount: 7 }))).resolves.toBeDefined();
    expect(gpu.isLost).toBe(false);
  });

  it('refuses bindings that the text and the record have otherwise', async () => {
    const bindings: readonly Binding[] = [{ ...BINDINGS[0], access: 'uniform' }, BINDINGS[1]];
    await expect(createPipelines(gpu).get(addKernel({ amount: 8 }, { bindings }))).rejects.toThrow(/kernel add 8 does not compile/);
  });

  it('says what the device lacks', async () => {
    const { limits, subgroupSize } = gpu;
    const odd = (subgroupSize ?? 32) * 2;
    const many = Array.from({ length: limits.storageBuffers + 1 }, (_, i): Binding => ({
      name: `b${i}`,
      access: 'read',
      type: 'array<f32>',
    }));
    const cases: [Partial<Kernel>, RegExp][] = [
      [
        { needs: { subgroupSize: odd } },
        new RegExp(`cannot run the kernel add 1: it was written for subgroups of ${odd}, and the device has ${subgroupSize ?? ''}`),
      ],
      [
        { workgroupSize: limits.invocations + 1 },
        new RegExp(`it has ${limits.invocations + 1} invocations of ${limits.invocations}`),
      ],
      [
        { key: 'too much memory', wgsl: `var<workgroup> memory: array<vec4<f32>, ${limits.workgroupBytes / 16 + 1}>;` },
        new RegExp(`it takes ${limits.workgroupBytes + 16} bytes of workgroup memory of ${limits.workgroupBytes}`),
      ],
      [{ bindings: many }, new RegExp(`it binds ${many.length} storage buffers of ${limits.storageBuffers}`)],
    ];
    for (const [change, words] of cases) {
      const attempt = createPipelines(gpu).get(addKernel({ amount: 1 }, change));
      await expect(attempt).rejects.toThrow(CapacityError);
      await expect(attempt).rejects.toThrow(words);
    }
    const bare = { limits, features: new Set<string>(), subgroupSize: undefined };
    expect(kernelProblems(addKernel({ amount: 1 }, { needs: { f16: true, subgroupSize: 32 } }), bare)).toHaveLength(2);
    expect(kernelProblems(addKernel({ amount: 1 }), bare)).toEqual([]);
  });

  it('rejects when the device is lost while compiling', async () => {
    const adapter = await testGpu().requestAdapter();
    const other = await openGpuDevice(adapter as GPUAdapter);
    const compiling = createPipelines(other).get(addKernel({ amount: 9 }));
    other.device.destroy();
    await expect(compiling).rejects.toThrow('was lost');
  });
});

describe('measuring', () => {
  it('gives plausible figures', async () => {
    expect(await measureCopyBandwidth(gpu)).toBeGreaterThan(1e7);
    const { microseconds, encodeMicroseconds } = await measureDispatch(gpu);
    expect(encodeMicroseconds).toBeGreaterThan(0);
    expect(microseconds).toBeGreaterThan(encodeMicroseconds);
  });

  it('can be left', async () => {
    await expect(measureCopyBandwidth(gpu, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});
