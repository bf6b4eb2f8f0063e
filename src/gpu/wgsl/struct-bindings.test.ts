import { expect, it } from 'vitest';
import { createNullGpu, openTestDevice } from '../../../test/gpu-harness.ts';
import { kernelHeader } from '../kernel.ts';
import type { Binding, Kernel } from '../kernel.ts';
import { textWithStructs } from './struct-bindings.ts';

const MIB = 2 ** 20;

it('arrays may lie far behind each other, and before the first', async () => {
  const test = await openTestDevice(createNullGpu());
  const bindings: readonly Binding[] = [
    { name: 'a', access: 'read', type: 'array<vec4<u32>>' }, { name: 'b', access: 'read', type: 'array<u32>' },
    { name: 'c', access: 'write', type: 'array<vec4<f32>>' },
  ];
  const wgsl = `${kernelHeader(bindings, {})}@compute @workgroup_size(1) fn main() { c[0] = bitcast<vec4<f32>>(a[0]) + f32(b[0]); }`;
  const kernel: Kernel = { key: 'far', label: 'far', bindings, workgroupSize: 1, needs: {}, wgsl };
  const code = textWithStructs(kernel, [
    { name: 'a', type: 'array<vec4<u32>>', binding: 0, offset: 20 * MIB, sizeBytes: 64 },
    { name: 'b', type: 'array<u32>', binding: 0, offset: 20 * MIB + 256, sizeBytes: 20 },
    { name: 'c', type: 'array<vec4<f32>>', binding: 0, offset: 40 * MIB, sizeBytes: 64 },
  ], ['write']);
  expect(code).toContain('a: array<vec4<u32>, 4>, gap0: array<u32, 48>, b: array<u32, 5>,');
  const module = test.device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  expect(messages).toEqual([]);
  // The struct ends where the last array's first element does: what is before it has its places.
  const pipeline = await test.device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const group = (size: number) => test.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: test.device.createBuffer({ size, usage: 0x80 }) } }],
  });
  const refused = async (size: number) => {
    test.device.pushErrorScope('validation');
    const bound = group(size);
    const encoder = test.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bound);
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.finish();
    return (await test.device.popErrorScope()) !== null;
  };
  expect([await refused(40 * MIB + 16), await refused(40 * MIB)]).toEqual([false, true]);
  test.close();
});
