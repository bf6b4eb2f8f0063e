/**
 * A prototype for benchmarks: what a dispatch, or several one after another, see of one buffer is one binding, a struct whose members are
 * arrays at the places where they lie. A place is then a part of the text's types and no part of an index, so that loads stay what they
 * are. Layers of equal shape have the same places and share texts. Sizes of arrays are those of a step's buffers: for one row.
 * docs/experiments.md, "Calls of a token", says what that gains and what a program would have to change for it.
 */
import { encodeDispatches } from '../dist/gpu/program/bound-plan.js';

const ACCESS = { read: 'var<storage, read>', write: 'var<storage, read_write>', uniform: 'var<uniform>' };
const ALIGNMENT = 256;
const STORAGE = 128;
/** MAP_READ and COPY_DST. */
const READ = 9;
const ARENA = 'arena';
const STRIDES = { 'vec4<u32>': 16, 'vec4<f32>': 16, 'vec2<f32>': 8, 'vec2<u32>': 8, 'vec2<f16>': 4, f16: 2 };

/**
 * Dispatches of some uses in order. `each`: most dispatches of a group; `most`: most storage buffers; `arena`: whether values lie in one
 * new buffer, but for what the last dispatch leaves.
 * @param uses what `BoundPlan.bindings` gives
 * @param pipelines with `get`, as the executor's
 */
export async function sharedDispatches(uses, { gpu, pipelines, each, most, arena }) {
  const placedValues = arena ? valuesInArena(uses, gpu) : new Map();
  const all = uses.map(({ use, workgroups, resources }) => ({
    kernel: use.kernel, workgroups,
    seen: use.kernel.bindings.map(({ name, access, type }, i) => {
      const { buffer, offset = 0, size = buffer.size - offset } = placedValues.get(keyOfRange(resources[i])) ?? resources[i];
      return { name, access, type, buffer, offset, size };
    }),
  }));
  const dispatches = [];
  for (const chunk of chunksOf(all, { each, most })) dispatches.push(...await boundChunk(chunk, { gpu, pipelines }));
  return dispatches;
}

/**
 * Whether lists of dispatches leave the same in what the last of their uses writes: words of it, 64 kB at most.
 * @param lists of the same uses, which read nothing that they write
 */
export async function leaveTheSame(uses, lists, { device, queue }) {
  const { use, resources } = uses.at(-1);
  const { buffer, offset = 0 } = resources[use.kernel.bindings.findIndex(({ access }) => access === 'write')];
  const size = Math.min(buffer.size - offset, 65536);
  const found = [];
  for (const dispatches of lists) {
    const read = device.createBuffer({ size, usage: READ });
    const encoder = device.createCommandEncoder();
    encoder.clearBuffer(buffer, offset, size);
    const pass = encoder.beginComputePass();
    encodeDispatches(pass, dispatches);
    pass.end();
    encoder.copyBufferToBuffer(buffer, offset, read, 0, size);
    queue.submit([encoder.finish()]);
    await read.mapAsync(1);
    found.push(new Uint32Array(read.getMappedRange().slice(0)));
    read.destroy();
  }
  const [first] = found;
  return first.some((word) => word !== 0) && found.every((words) => words.every((word, i) => word === first[i]));
}

const numbers = new WeakMap();
let next = 0;

function numberOf(buffer) {
  if (!numbers.has(buffer)) numbers.set(buffer, next++);
  return numbers.get(buffer);
}

const keyOfRange = ({ buffer, offset = 0 }) => `${numberOf(buffer)} ${offset}`;

/** Ranges of one new buffer for those of all values of floats and of codes. */
function valuesInArena(uses, gpu) {
  const places = new Map();
  const last = uses.at(-1);
  const left = new Set(last.resources.filter((_, i) => last.use.kernel.bindings[i].access === 'write').map(keyOfRange));
  let end = 0;
  for (const { use, resources } of uses) {
    use.kernel.bindings.forEach(({ name }, i) => {
      const { kind, value } = use.buffers[name];
      const key = keyOfRange(resources[i]);
      if (kind !== 'value' || value.dtype === 'i32' || places.has(key) || left.has(key)) return;
      const size = resources[i].size ?? resources[i].buffer.size;
      places.set(key, { offset: end, size });
      end = Math.ceil((end + size) / ALIGNMENT) * ALIGNMENT;
    });
  }
  const buffer = gpu.device.createBuffer({ label: ARENA, size: Math.max(ALIGNMENT, end), usage: STORAGE });
  return new Map([...places].map(([key, place]) => [key, { ...place, buffer }]));
}

function chunksOf(uses, { each, most }) {
  const chunks = [];
  for (const use of uses) {
    const last = chunks.at(-1);
    const isRoom = last !== undefined && last.length < each && storageBuffers(membersOf([...last, use])) <= most;
    if (isRoom) last.push(use);
    else chunks.push([use]);
  }
  return chunks;
}

const storageBuffers = (members) => [...members.values()].filter(({ access }) => access !== 'uniform').length;

/** Bytes from one element to the next. */
function strideOf(element) {
  return STRIDES[element] ?? 4;
}

function memberKey({ buffer, access }) {
  return `${access === 'uniform' ? 'u' : 's'}${numberOf(buffer)}`;
}

/** What a group of some uses binds, by key: ranges that hold all that they see, written where one of them writes. */
function membersOf(uses) {
  const members = new Map();
  for (const seen of uses.flatMap((use) => use.seen)) {
    const { buffer, access, offset, size } = seen;
    const key = memberKey(seen);
    const member = members.get(key) ?? { key, buffer, access, from: offset, to: offset + size };
    member.from = Math.min(member.from, offset);
    member.to = Math.max(member.to, offset + size);
    if (access === 'write') member.access = 'write';
    members.set(key, member);
  }
  return members;
}

async function boundChunk(uses, { gpu, pipelines }) {
  const members = [...membersOf(uses).values()];
  const bindings = members.map(({ access }, i) => ({ name: `shared${i}`, access, type: 'buffer' }));
  const entries = members.map(({ buffer, from, to }, binding) => ({ binding, resource: { buffer, offset: from, size: to - from } }));
  let group;
  const dispatches = [];
  for (const { kernel, workgroups, seen } of uses) {
    const views = seen.map((each) => {
      const at = members.findIndex((member) => member.key === memberKey(each));
      return { name: each.name, type: each.type, size: each.size, at, offset: each.offset - members[at].from };
    });
    const places = views.map(({ at, offset, size }) => `${at}+${offset}:${size}`).join(' ');
    const key = `${kernel.key} in ${members.map(({ access }) => access[0]).join('')} at ${places}`;
    const { label, workgroupSize, needs } = kernel;
    const placed = { key, label, workgroupSize, needs, bindings, wgsl: textWithStructs(kernel, views, members) };
    const { pipeline, layout } = await pipelines.get(placed);
    group ??= gpu.device.createBindGroup({ label: 'shared', layout, entries });
    dispatches.push({ label, pipeline, group, workgroups });
  }
  return dispatches;
}

/** A kernel's text whose arrays are members of what a group binds. */
function textWithStructs({ wgsl, bindings, label }, views, members) {
  const declarations = [];
  const moved = [];
  for (const at of new Set(views.map((view) => view.at))) {
    const own = views.filter((view) => view.at === at);
    const isWhole = own.length === 1 && own[0].offset === 0;
    const declared = isWhole ? `${own[0].name}: ${own[0].type}` : `shared${at}: Shared${at}`;
    if (!isWhole) {
      declarations.push(structOf(own, { name: `Shared${at}`, label }));
      moved.push(...own.map(({ name }) => ({ name, to: `shared${at}.${name}` })));
    }
    declarations.push(`@group(0) @binding(${at}) ${ACCESS[members[at].access]} ${declared};`);
  }
  let text = wgsl;
  bindings.forEach(({ name, access, type }, i) => {
    const line = `@group(0) @binding(${i}) ${ACCESS[access]} ${name}: ${type};\n`;
    if (!text.includes(line)) throw new Error(`${label}: no declaration of ${name}`);
    text = text.replace(line, i === 0 ? `${declarations.join('\n')}\n` : '');
  });
  for (const { name, to } of moved) text = text.replace(new RegExp(`(?<![\\w.])${name}(?=\\[)|(?<=&)${name}\\b`, 'g'), to);
  return text;
}

/** Arrays at their places; the last one goes on to the end of what is bound. */
function structOf(views, { name, label }) {
  const sorted = views.toSorted((a, b) => a.offset - b.offset);
  const fields = [];
  let end = 0;
  for (const [i, view] of sorted.entries()) {
    const [, element] = /^array<(.+)>$/.exec(view.type) ?? [];
    if (element === undefined || view.offset < end) throw new Error(`${label}: ${view.name} cannot lie beside what it lies in`);
    if (view.offset > end) fields.push(`before${i}: array<u32, ${(view.offset - end) / 4}>`);
    const count = Math.floor(view.size / strideOf(element));
    fields.push(`${view.name}: ${i === sorted.length - 1 ? view.type : `array<${element}, ${count}>`}`);
    end = view.offset + count * strideOf(element);
  }
  return `struct ${name} { ${fields.join(', ')} }`;
}
