/**
 * A prototype for benchmarks: consecutive dispatches share a bind group, whose few buffers hold what today's many do. Kernels see their
 * arrays at places that are constants in their texts and, for layers of equal shape, the same: by a number added to the index where a
 * buffer has elements of one type for them, else through views (`bufferView` of WGSL's language extension buffer_view).
 * docs/experiments.md, "Calls of a token", says what that gains and what a program would have to change for it.
 */

const ACCESS = { read: 'var<storage, read>', write: 'var<storage, read_write>', uniform: 'var<uniform>' };
const ALIGNMENT = 256;
const STORAGE = 128;
const ARENA = 'arena';
const WIDTHS = { vec4: 16, vec2: 8 };

/**
 * Dispatches of some uses in order. `each`: most dispatches of a group; `most`: most storage buffers; `arena`: whether values lie in one
 * buffer, which is new and holds none of them.
 * @param uses what `BoundPlan.bindings` gives
 * @param pipelines with `get`, as the executor's
 */
export async function sharedDispatches(uses, { gpu, pipelines, each, most, arena }) {
  const placedValues = arena ? valuesInArena(uses, gpu) : new Map();
  const all = uses.map(({ use, workgroups, resources }) => ({
    kernel: use.kernel, workgroups,
    seen: use.kernel.bindings.map(({ name, access, type }, i) => {
      const ref = use.buffers[name];
      const { buffer, offset = 0, size = buffer.size - offset } = placedValues.get(keyOfRange(resources[i])) ?? resources[i];
      const isWeight = ref.kind === 'plane' || ref.kind === 'vector';
      const part = isWeight ? widthOf(type) : buffer.label === ARENA ? 'all' : `from ${offset}`;
      return { name, access, type, buffer, offset, size, part };
    }),
  }));
  const dispatches = [];
  for (const chunk of chunksOf(all, { each, most })) dispatches.push(...await boundChunk(chunk, { gpu, pipelines }));
  return dispatches;
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
  let end = 0;
  for (const { use, resources } of uses) {
    use.kernel.bindings.forEach(({ name }, i) => {
      const { kind, value } = use.buffers[name];
      const key = keyOfRange(resources[i]);
      if (kind !== 'value' || value.dtype === 'i32' || places.has(key)) return;
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

function widthOf(type) {
  const [, vector] = /^array<(vec\d)</.exec(type) ?? [];
  return WIDTHS[vector] ?? 4;
}

/** Weights of one buffer are a member for each width of elements, so that loads stay as wide as they are; other ranges are one each. */
function memberKey({ buffer, access, part }) {
  return `${access === 'uniform' ? 'u' : 's'}${numberOf(buffer)} ${part}`;
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
    const views = seen.map(({ name, type, offset, ...others }) => {
      const at = members.findIndex(({ key }) => key === memberKey({ type, ...others }));
      return { name, type, at, offset: offset - members[at].from };
    });
    const places = views.map(({ at, offset }) => `${at}+${offset}`).join(' ');
    const key = `${kernel.key} in ${members.map(({ access }) => access[0]).join('')} at ${places}`;
    const { label, workgroupSize, needs } = kernel;
    const placed = { key, label, workgroupSize, needs, bindings, wgsl: textWithViews(kernel, views, members) };
    const { pipeline, layout } = await pipelines.get(placed);
    group ??= gpu.device.createBindGroup({ label: 'shared', layout, entries });
    dispatches.push({ label, pipeline, group, workgroups });
  }
  return dispatches;
}

/** A kernel's text whose arrays are parts of a group's members. */
function textWithViews({ wgsl, bindings, label }, views, members) {
  const declarations = [];
  const lets = [];
  const moved = [];
  for (const at of new Set(views.map((view) => view.at))) {
    const own = views.filter((view) => view.at === at);
    const isWhole = own.length === 1 && own[0].offset === 0;
    const isOfOneType = own.every(({ type }) => type === own[0].type);
    const declared = isWhole ? `${own[0].name}: ${own[0].type}` : `shared${at}: ${isOfOneType ? own[0].type : 'buffer'}`;
    declarations.push(`@group(0) @binding(${at}) ${ACCESS[members[at].access]} ${declared};`);
    if (isWhole) continue;
    for (const { name, type, offset } of own) {
      if (isOfOneType) moved.push({ name, to: `shared${at}`, by: offset / widthOf(type) });
      else lets.push({ name, text: `let ${name} = bufferView<${type}>(&shared${at}, ${offset}u);` });
    }
  }
  let text = wgsl;
  bindings.forEach(({ name, access, type }, i) => {
    const line = `@group(0) @binding(${i}) ${ACCESS[access]} ${name}: ${type};\n`;
    if (!text.includes(line)) throw new Error(`${label}: no declaration of ${name}`);
    text = text.replace(line, i === 0 ? `${declarations.join('\n')}\n` : '');
  });
  for (const each of moved) text = withMovedIndex(text, each);
  const [before, ...functions] = text.split(/(?=\bfn\s+\w+\s*\()/);
  return [before, ...functions.map((part) => withLets(part, lets))].join('');
}

/** `name[index]` as `to[by + (index)]`, wherever it stands. */
function withMovedIndex(text, { name, to, by }) {
  const [before, ...uses] = text.split(new RegExp(`\\b${name}\\[`));
  if (new RegExp(`\\b${name}\\b`).test([before, ...uses].join(''))) throw new Error(`${name} is used as a whole`);
  const moved = uses.reduceRight((rest, use) => {
    const all = `${use}${rest}`;
    const end = closeOf(all, 0, '[]') - 1;
    return `${to}[${by}u + (${all.slice(0, end)})${all.slice(end)}`;
  }, '');
  return `${before}${moved}`;
}

/** A text that begins with a function, whose body then begins with the views that it names. */
function withLets(text, lets) {
  const body = bodyOf(text);
  const own = lets.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(text.slice(body.from, body.to)));
  return `${text.slice(0, body.from)}\n${own.map((each) => each.text).join('\n')}${text.slice(body.from)}`;
}

/** Where the body of a text's first function is, without its braces. */
function bodyOf(text) {
  const from = text.indexOf('{', closeOf(text, text.indexOf('(') + 1, '()')) + 1;
  return { from, to: closeOf(text, from, '{}') };
}

/** The place behind what closes a bracket that was opened before `from`. */
function closeOf(text, from, [open, shut]) {
  let depth = 1;
  let at = from;
  for (; depth > 0; at++) depth += text[at] === open ? 1 : text[at] === shut ? -1 : 0;
  return at;
}
