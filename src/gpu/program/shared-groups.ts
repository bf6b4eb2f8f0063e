/**
 * The dispatches of a decoded token, those of a layer with one bind group. A small model's token waits for the host where that is slow: a
 * group costs it 0.5 us, each of its buffers 0.07, and so a group for five dispatches, with all values of the step in one buffer, saves
 * three tenths of encoding (docs/experiments.md, "Calls of a token"). What a kernel sees of a buffer is a struct then, whose members are
 * its arrays at their places: wgsl/struct-bindings.ts says why. The kernels, and so the values, are the plain dispatches'.
 */
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import { withTextOf } from '../kernel.ts';
import type { BindingAccess, Kernel, Workgroups } from '../kernel.ts';
import { checkPlaces, isWhole, textWithStructs } from '../wgsl/struct-bindings.ts';
import type { Placed } from '../wgsl/struct-bindings.ts';
import type { BoundUse, Dispatch } from './bound-plan.ts';
import { cutGroups } from './group-cuts.ts';

/** A part of a buffer that all dispatches of a group see at one binding. */
interface Member {
  readonly buffer: GPUBuffer;
  readonly access: BindingAccess;
  /** Bytes. */
  readonly from: number;
  readonly to: number;
}

/** What a kernel binds, wherever that lies. */
interface Seen {
  readonly name: string;
  readonly type: string;
  readonly access: BindingAccess;
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly sizeBytes: number;
}

interface SeeingUse {
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
  readonly seen: readonly Seen[];
}

/** Dispatches that share a bind group. */
export interface SharedGroup {
  readonly members: readonly Member[];
  readonly uses: readonly { readonly kernel: Kernel; readonly workgroups: Workgroups }[];
}

/** What a device lets a kernel bind. */
export type GroupLimits = Pick<GpuDevice['limits'], 'storageBuffers' | 'bindingBytes'>;

/** WebGPU promises as many everywhere, and Dawn gives no more. */
const UNIFORM_BUFFERS = 12;

/** The dispatches of a step in order. @param placeOf where a value lies @throws Error for a kernel whose text has no form for it */
export function planGroups(
  uses: readonly BoundUse[], placeOf: (resource: GPUBufferBinding) => GPUBufferBinding, limits: GroupLimits,
): readonly SharedGroup[] {
  const all = uses.map(({ use: { kernel }, workgroups, resources }): SeeingUse => ({
    kernel, workgroups,
    seen: kernel.bindings.map(({ name, type, access }, i) => {
      const { buffer, offset = 0, size = buffer.size - offset } = placeOf(resources[i] as GPUBufferBinding);
      return { name, type, access, buffer, offset, sizeBytes: size };
    }),
  }));
  for (const use of all)
    if (!fits(membersOf([use]), limits)) throw new Error(`${use.kernel.label}: what it sees of one buffer is more than can be bound`);
  const groups = cutGroups(all, { keyOf: ({ kernel }) => kernel.key, fits: (group) => fits(membersOf(group), limits) });
  const kernels = new Map<string, Kernel>();
  return groups.map((group) => {
    const members = membersOf(group);
    return { members, uses: group.map(({ kernel, seen, workgroups }) => {
      const placed = placedKernel(kernel, seen, members);
      const known = kernels.get(placed.key) ?? placed;
      kernels.set(placed.key, known);
      return { kernel: known, workgroups };
    }) };
  });
}

const isUniform = ({ access }: Pick<Member, 'access'>) => access === 'uniform';

function fits(members: readonly Member[], { storageBuffers, bindingBytes }: GroupLimits): boolean {
  const uniforms = members.filter(isUniform).length;
  return uniforms <= UNIFORM_BUFFERS && members.length - uniforms <= storageBuffers &&
    members.every(({ from, to }) => to - from <= bindingBytes);
}

/**
 * Whether a group sees both by one binding: a buffer is bound as storage once, whatever its kernels write of it. A uniform is small and
 * has a binding of its own, so that its place is in no text.
 */
function isSame(a: Omit<Member, 'to'>, b: Omit<Member, 'to'>): boolean {
  return a.buffer === b.buffer && isUniform(a) === isUniform(b) && (!isUniform(a) || a.from === b.from);
}

/** What a group binds: ranges that hold all that its dispatches see, written where one of them writes. */
function membersOf(uses: readonly SeeingUse[]): readonly Member[] {
  const members: Member[] = [];
  for (const { seen } of uses) for (const { buffer, access, offset, sizeBytes } of seen) {
    const own = { buffer, access, from: offset, to: offset + sizeBytes };
    const at = members.findIndex((member) => isSame(member, own));
    const present = members[at];
    if (present === undefined) members.push(own);
    else members[at] = {
      buffer, access: present.access === 'write' ? 'write' : access,
      from: Math.min(present.from, own.from), to: Math.max(present.to, own.to),
    };
  }
  return members;
}

/** A kernel as it is in a group; equal keys where all lies at the same places. */
function placedKernel(kernel: Kernel, seen: readonly Seen[], members: readonly Member[]): Kernel {
  const places = seen.map(({ name, type, offset, sizeBytes, ...own }): Placed => {
    const binding = members.findIndex((member) => isSame(member, { ...own, from: offset }));
    return { name, type, binding, offset: offset - (members[binding] as Member).from, sizeBytes };
  });
  checkPlaces(places);
  const accesses = members.map(({ access }) => access);
  // The size of what a text sees as a whole is no part of it: states grow.
  const placeText = ({ binding, offset, sizeBytes }: Placed) =>
    isWhole(places.filter((place) => place.binding === binding)) ? `${binding}` : `${binding}+${offset}:${sizeBytes}`;
  const { label, workgroupSize, needs } = kernel;
  return withTextOf({
    key: `${kernel.key} in ${accesses.map(([first]) => first).join('')} at ${places.map(placeText).join(' ')}`,
    label, workgroupSize, needs,
    bindings: members.map(({ access }, i) => ({ name: `shared${i}`, access, type: 'buffer' })),
  }, () => textWithStructs(kernel, places, accesses));
}

export interface BindGroupsOptions {
  readonly gpu: Pick<GpuDevice, 'device'>;
  readonly pipelines: Pick<Pipelines, 'ready'>;
}

/** Undefined where not all kernels are compiled. */
export function bindGroups(groups: readonly SharedGroup[], { gpu, pipelines }: BindGroupsOptions): readonly Dispatch[] | undefined {
  const dispatches: Dispatch[] = [];
  for (const { members, uses } of groups) {
    let group: GPUBindGroup | undefined;
    for (const { kernel, workgroups } of uses) {
      const compiled = pipelines.ready(kernel);
      if (compiled === undefined) return undefined;
      group ??= gpu.device.createBindGroup({
        label: 'of a layer', layout: compiled.layout,
        entries: members.map(({ buffer, from, to }, binding) => ({ binding, resource: { buffer, offset: from, size: to - from } })),
      });
      dispatches.push({ label: kernel.label, pipeline: compiled.pipeline, group, workgroups });
    }
  }
  return dispatches;
}
