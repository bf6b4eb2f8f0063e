import { expect, it } from 'vitest';
import type { Pipeline } from '../device/pipeline-cache.ts';
import type { Binding, BindingAccess, Kernel } from '../kernel.ts';
import { kernelHeader } from '../kernel.ts';
import type { KernelUse } from '../plan/kernel-use.ts';
import type { BoundUse } from './bound-plan.ts';
import { cutGroups } from './group-cuts.ts';
import { bindGroups, planGroups } from './shared-groups.ts';

const LIMITS = { storageBuffers: 8, bindingBytes: 2 ** 20 };
const asItIs = (resource: GPUBufferBinding) => resource;

function kernelOf(key: string, bindings: readonly Binding[]): Kernel {
  const body = bindings.map(({ name }) => `  _ = ${name}[0];\n`).join('');
  return { key, label: key, bindings, workgroupSize: 1, needs: {}, wgsl: `${kernelHeader(bindings, {})}fn main() {\n${body}}\n` };
}

const bufferOf = (size: number) => ({ size }) as GPUBuffer;

/** A kernel that reads what is given, at offsets in one buffer each, as arrays of words. */
function useOf(key: string, places: Readonly<Record<string, GPUBufferBinding & { readonly access?: BindingAccess }>>): BoundUse {
  const bindings = Object.entries(places).map(([name, { access = 'read' }]) =>
    ({ name, access, type: access === 'uniform' ? 'Sizes' : 'array<u32>' }));
  return { use: { kernel: kernelOf(key, bindings) } as unknown as KernelUse, workgroups: [1, 1, 1], resources: Object.values(places) };
}

it('a group begins with each layer, and is no longer than one', () => {
  const cut = (kernels: string, fits = (uses: readonly string[]) => uses.length < 9) =>
    cutGroups([...kernels], { keyOf: (kernel) => kernel, fits }).map((group) => group.join('')).join(' ');
  expect(cut('eqaogdqaogdqaogdh')).toBe('e qaogd qaogd qaogd h');
  // Layers of two kinds, with the same products behind: what follows the last is in its group where that is no longer than others.
  expect(cut('eciqgdciqgdabqgdh')).toBe('eci qgdci qgdab qgdh');
  expect(cut('eqaogdqaogd', (uses) => uses.length < 4)).toBe('e qao gd qao gd');
  expect(cut('abcdefghijk')).toBe('abcdefgh ijk');
});

it('all that is seen of a buffer is one struct, its arrays at their places, written where one of the group writes', () => {
  const [values, weights] = [bufferOf(4096), bufferOf(8192)];
  const [group] = planGroups([
    useOf('one', { w: { buffer: weights, offset: 512, size: 256 }, y: { buffer: values, offset: 0, size: 100, access: 'write' } }),
    useOf('two', {
      w: { buffer: weights, offset: 1024, size: 256 }, s: { buffer: weights, offset: 1280, size: 64 }, x: { buffer: values, size: 100 },
    }),
  ], asItIs, LIMITS);
  expect(group?.members).toEqual([
    { buffer: weights, access: 'read', from: 512, to: 1344 }, { buffer: values, access: 'write', from: 0, to: 100 },
  ]);
  expect(group?.uses.map(({ kernel: { key, wgsl } }) => `${key}\n${wgsl}`).join('')).toBe(`one in rw at 0 1
@group(0) @binding(0) var<storage, read> w: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
fn main() {
  _ = w[0];
  _ = y[0];
}
two in rw at 0+512:256 0+768:64 1
struct Shared0 { gapBefore: array<u32, 128>, w: array<u32, 64>, s: array<u32> }
@group(0) @binding(0) var<storage, read> shared0: Shared0;
@group(0) @binding(1) var<storage, read_write> x: array<u32>;
fn main() {
  _ = shared0.w[0];
  _ = shared0.s[0];
  _ = x[0];
}
`);
});

it('a uniform has a binding of its own, wherever it lies', () => {
  const [sizes, others] = [bufferOf(4096), bufferOf(64)];
  const use = (key: string, offset: number) =>
    useOf(key, { s: { buffer: sizes, offset, size: 16, access: 'uniform' }, x: { buffer: others, size: 64 } });
  const [group] = planGroups([use('one', 256), use('two', 512), use('three', 256)], asItIs, LIMITS);
  expect(group?.members.map(({ access, from, to }) => [access, from, to])).toEqual([
    ['uniform', 256, 272], ['read', 0, 64], ['uniform', 512, 528],
  ]);
  expect(group?.uses.map(({ kernel: { key } }) => key)).toEqual(['one in uru at 0 1', 'two in uru at 2 1', 'three in uru at 0 1']);
});

it('a group binds no more than the device lets it', () => {
  const uses = Array.from({ length: 6 }, (_, n) => useOf(`k${n}`, { a: { buffer: bufferOf(64) }, b: { buffer: bufferOf(64) } }));
  const sizesFor = (storageBuffers: number) => planGroups(uses, asItIs, { ...LIMITS, storageBuffers }).map(({ uses: own }) => own.length);
  expect([sizesFor(8), sizesFor(12), sizesFor(2)]).toEqual([[4, 2], [6], [1, 1, 1, 1, 1, 1]]);
  const far = ['a', 'b'].map((key, n) => useOf(key, { w: { buffer: bufferOf(0), offset: n * 2 ** 20, size: 64 } }));
  const together = far.map((use) => ({ ...use, resources: [{ ...use.resources[0]!, buffer: far[0]!.resources[0]!.buffer }] }));
  expect(planGroups(together, asItIs, LIMITS)).toHaveLength(2);
});

it('arrays that would lie in each other are refused', () => {
  const buffer = bufferOf(4096);
  const uses = [useOf('one', { a: { buffer, offset: 0, size: 512 }, b: { buffer, offset: 256, size: 512 } })];
  expect(() => planGroups(uses, asItIs, LIMITS)).toThrow('a of 512 bytes at 0 leaves b no place at 256');
});

it('is bound when all of it is compiled', () => {
  const compiled = new Set<string>();
  const pipelines = {
    ready: ({ key }: Kernel) => (compiled.has(key) ? ({ pipeline: key, layout: 'layout' } as unknown as Pipeline) : undefined),
  };
  const made: GPUBindGroupDescriptor[] = [];
  const createBindGroup = (descriptor: GPUBindGroupDescriptor) => made.push(descriptor);
  const gpu = { device: { createBindGroup } as unknown as GPUDevice };
  const buffer = bufferOf(1024);
  const groups = planGroups(['one', 'two'].map((key, n) => useOf(key, { w: { buffer, offset: n * 256, size: 64 } })), asItIs, LIMITS);
  const [first, second] = groups[0]!.uses.map(({ kernel }) => kernel.key);
  compiled.add(first!);
  expect(bindGroups(groups, { gpu, pipelines })).toBe(undefined);
  compiled.add(second!);
  const dispatches = bindGroups(groups, { gpu, pipelines });
  expect(dispatches?.map(({ pipeline }) => pipeline)).toEqual([first, second]);
  expect(dispatches?.[0]?.group).toBe(dispatches?.[1]?.group);
  expect(made.at(-1)?.entries).toEqual([{ binding: 0, resource: { buffer, offset: 0, size: 320 } }]);
});
