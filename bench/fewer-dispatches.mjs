/**
 * Two ideas for fewer dispatches, as prototypes: kernels' texts are changed here, values are compared, and both ways are timed.
 * Usage: node bench/fewer-dispatches.mjs MODEL.gguf [--keys 128,4096] [--device gpu|software] [--out FILE.jsonl]
 * head: each workgroup of the head leaves its best logit, so that argmax needs one dispatch in place of two (`--keys` below a split's).
 * combine: the last workgroup of a head's split keys, told by an atomic count, makes the result, so that attention needs one dispatch.
 *   WGSL's atomics are relaxed: that a count was seen says nothing of other places. So partial results are words of atomics as well, and
 *   who combines waits at each for anything but a mark that no result can be, which it puts back for the next token: it needs no order
 *   between places, only that what was stored comes at some time.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { kvLayoutOf } from '../dist/engine/model-room.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { createPipelines } from '../dist/gpu/device/pipeline-cache.js';
import { argmaxPartialKernel } from '../dist/gpu/kernels/argmax/argmax.js';
import { encodeDispatches } from '../dist/gpu/program/bound-plan.js';
import { profileFor } from '../dist/gpu/profile/profile-for.js';
import { q8CodeBytes, q8StatBytes } from '../dist/gpu/q8-layout.js';
import { samplerVariantOf } from '../dist/gpu/sampling/sampler-kinds.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { openGpuExecutor } from '../dist/node/gpu-executor.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit, summarise } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: { keys: { type: 'string', default: '128,4096' }, device: { type: 'string', default: 'gpu' }, out: { type: 'string' } },
});
const adapterKind = flags.device === 'gpu' ? 'hardware' : 'software';
const BINDINGS = { read: 'var<storage, read>', write: 'var<storage, read_write>', uniform: 'var<uniform>' };
/** STORAGE, COPY_SRC and COPY_DST. */
const STORAGE = 128 | 4 | 8;
/** Invocations of a split and of its combine here: those of the combine. */
const INVOCATIONS = 256;
const BEST = `fn orderedKey(bits: u32) -> u32 {
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u && bits != 0xff800000u) { return 0xffffffffu; }
  return select(bits | 0x80000000u, ~bits, magnitude != 0u && (bits >> 31u) == 1u);
}
var<workgroup> bestKey: atomic<u32>;
var<workgroup> bestId: atomic<u32>;
fn findBest(lane: u32, key: u32, id: u32) {
  if (lane == 0u) { atomicStore(&bestKey, 0u); atomicStore(&bestId, 0xffffffffu); }
  workgroupBarrier();
  atomicMax(&bestKey, key);
  workgroupBarrier();
  if (key == atomicLoad(&bestKey)) { atomicMin(&bestId, id); }
  workgroupBarrier();
}
`;

for (const keys of flags.keys.split(',').map(Number)) {
  const usual = await openProgram({});
  const isSplit = keys >= usual.splitFrom;
  await boundToken(usual, keys);
  if (!isSplit) await measureHead(usual, keys);
  const attention = isSplit ? attentionOf(usual, keys) : undefined;
  if (isSplit && attention === undefined) console.log(`${keys} keys: no attention of split keys`);
  const own = attention && (await timed(usual.gpu, attention.map(({ dispatch }) => dispatch)));
  await usual.program.dispose();
  if (own === undefined) continue;
  const changed = await openProgram({ splitInvocations: INVOCATIONS, flatInvocations: INVOCATIONS });
  await measureCombine(changed, keys, own);
  await changed.program.dispose();
}

async function openProgram(attention) {
  const usual = profileFor((await findAdapter(adapterKind)).facts);
  // Each dispatch with a group of its own, so that one may be bound without the others.
  const profile = { ...usual, knobs: { ...usual.knobs, attention: { ...usual.knobs.attention, ...attention }, groups: { bytes: 0 } } };
  const executor = await openGpuExecutor(adapterKind, { profile });
  if ('problem' in executor) throw new Error(executor.problem);
  const checkpoint = await openCheckpoint(await locate(path));
  const { model, weights } = await openDecoder(checkpoint);
  const kv = kvLayoutOf(8192, { type: 'f16' });
  const program = await executor.load({ model, weights, kv, sizes: { rows: 64 } });
  await checkpoint.close();
  return { program, splitFrom: profile.knobs.attention.splitFrom, profile, pageTokens: kv.pageTokens };
}

function openChoice(program) {
  const sampling = {
    temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1,
  };
  return program.chooser.open({ sampling, history: { promptIds: [], outputIds: [] } });
}

/** What a token behind `keys - 1` positions binds, once one has run; the context then has the device. */
async function boundToken(context, keys) {
  const { program, pageTokens } = context;
  const pages = Array.from({ length: Math.ceil((keys + 1) / pageTokens) }, (_, i) => i);
  program.ensurePages(0, pages.length);
  const choice = openChoice(program);
  const rows = { tokens: [17], start: keys - 1, pages: [pages], slots: undefined, wanted: 'token', choice };
  await (await program.chooser.submit({ sequences: [rows], steps: 1 })).results;
  const token = program.tokenDispatches(keys, [choice]);
  context.gpu ??= token.gpu;
  context.pipelines ??= createPipelines(token.gpu);
  return token;
}

/** The text with further bindings behind its own. */
function withBindings({ wgsl, bindings }, added) {
  const own = bindings.map(({ name, access, type }, i) => `@group(0) @binding(${i}) ${BINDINGS[access]} ${name}: ${type};`);
  const lines = added.map(({ name, access, type }, i) =>
    `@group(0) @binding(${bindings.length + i}) ${BINDINGS[access]} ${name}: ${type};`);
  return wgsl.replace(own.at(-1), [own.at(-1), ...lines].join('\n'));
}

async function bound({ gpu, pipelines }, kernel, resources, workgroups) {
  const { pipeline, layout } = await pipelines.get({ ...kernel, wgsl: kernel.wgsl });
  const entries = resources.map((resource, binding) => ({ binding, resource }));
  return { label: kernel.label, pipeline, group: gpu.device.createBindGroup({ layout, entries }), workgroups };
}

function bufferOf(gpu, size) {
  return gpu.device.createBuffer({ size: Math.max(16, size), usage: STORAGE });
}

async function measureHead(context, keys) {
  const { bindings } = await boundToken(context, keys);
  const { gpu, profile } = context;
  const { use: { kernel }, workgroups, resources } = bindings.at(-1);
  const vocab = Number(/\[(\d+),/.exec(kernel.label)[1]);
  const logits = resources[kernel.bindings.findIndex(({ name }) => name === 'y')];
  const count = workgroups[0] * workgroups[1];
  const pairs = bufferOf(gpu, count * 8);
  const main = /fn main\([^{]*\{\n/.exec(kernel.wgsl)[0];
  let wgsl = withBindings(kernel, [{ name: 'pairs', access: 'write', type: 'array<vec2<u32>>' }]);
  wgsl = wgsl.replace(main, `${main}  var ownKey = 0u;\n  var ownId = 0xffffffffu;\n`);
  wgsl = wgsl.replaceAll(/\by\[([^\]]+)\] = (y\d+);/g,
    'y[$1] = $2; { let key = orderedKey(bitcast<u32>($2)); if (key > ownKey) { ownKey = key; ownId = $1; } }');
  wgsl = `${wgsl.trimEnd().slice(0, -1)}  findBest(lane, ownKey, ownId);
  if (lane == 0u) { pairs[number] = vec2<u32>(atomicLoad(&bestKey), atomicLoad(&bestId)); }
}
`.replace('@compute', `${BEST}@compute`);
  const { label, workgroupSize, needs } = kernel;
  const added = [...kernel.bindings, { name: 'pairs', access: 'write', type: 'array<vec2<u32>>' }];
  const both = { key: `${kernel.key} with argmax`, label: `${label} with argmax`, workgroupSize, needs, bindings: added, wgsl };
  const head = await bound(context, kernel, resources, workgroups);
  const joined = await bound(context, both, [...resources, { buffer: pairs }], workgroups);
  const variant = samplerVariantOf({ vocab, invocations: Math.min(1024, profile.invocations) }, { mode: 'greedy', penalties: false });
  const [parts, rows] = [bufferOf(gpu, variant.workgroups * 8), bufferOf(gpu, 16)];
  const partialKernel = argmaxPartialKernel(variant);
  const given = { logits, partials: { buffer: parts }, rows: { buffer: rows } };
  const partial = await bound(context, partialKernel, partialKernel.bindings.map(({ name }) => given[name]), [variant.workgroups, 1, 1]);
  const [first, second] = [bufferOf(gpu, 16), bufferOf(gpu, 16)];
  const pick = async (from, size, to) => {
    const lanes = Math.min(1024, profile.invocations);
    const own = [{ name: 'pairs', access: 'read', type: 'array<vec2<u32>>' }, { name: 'chosen', access: 'write', type: 'array<u32>' }];
    const text = `${own.map(({ name, access, type }, i) => `@group(0) @binding(${i}) ${BINDINGS[access]} ${name}: ${type};`).join('\n')}
${BEST}@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
  var key = 0u;
  var id = 0xffffffffu;
  for (var turn = 0u; turn < ${Math.ceil(size / lanes)}u; turn++) {
    let at = turn * ${lanes}u + lane;
    if (at < ${size}u) {
      let pair = pairs[at];
      if (pair.x > key || (pair.x == key && pair.y < id)) { key = pair.x; id = pair.y; }
    }
  }
  findBest(lane, key, id);
  if (lane == 0u) { chosen[0] = atomicLoad(&bestId); }
}
`;
    const kernelOf = { key: `pick of ${size}`, label: `pick of ${size}`, workgroupSize: lanes, needs: {}, bindings: own, wgsl: text };
    return bound(context, kernelOf, [{ buffer: from }, { buffer: to }], [1, 1, 1]);
  };
  const apart = [head, partial, await pick(parts, variant.workgroups, first)];
  const together = [joined, await pick(pairs, count, second)];
  await run(gpu, [...apart, ...together]);
  const [[one], [other]] = [await wordsOf(gpu, first), await wordsOf(gpu, second)];
  if (one !== other || one >= vocab) throw new Error(`head with argmax chose ${other}, not ${one}`);
  tell({ idea: 'head', keys, tokens: [one, other], ...await timedInTurns(gpu, { apart, together }) });
}

/** The first layer's split attention and its combine. */
function attentionOf({ program }, keys) {
  const { bindings, steps } = program.tokenDispatches(keys, [openChoice(program)]);
  const at = bindings.findIndex(({ use }, i) =>
    use.kernel.label.startsWith('attention-decode') && bindings[i + 1]?.use.kernel.label.startsWith('attention-combine'));
  return at < 0 ? undefined : [at, at + 1].map((i) => ({ ...bindings[i], dispatch: steps[i] }));
}

async function measureCombine(context, keys, own) {
  await boundToken(context, keys);
  const { gpu } = context;
  const [split, combine] = attentionOf(context, keys);
  const { kernel, heads, words, values } = joinedKernel(split.use.kernel, combine.use.kernel);
  const [marks, arrivals] = [bufferOf(gpu, words * 4), bufferOf(gpu, heads * 4)];
  gpu.queue.writeBuffer(marks, 0, new Uint32Array(words).fill(0xffffffff));
  const all = combine.use.kernel.bindings.map(({ name }, i) => ({ name, resource: combine.resources[i] }));
  const outputs = all.filter(({ name }) => name.startsWith('y'));
  // The same numbers at another place, to be compared.
  const copies = outputs.map(({ resource: { buffer, offset = 0, size = buffer.size - offset } }) => (
    { buffer, offset, size, to: bufferOf(gpu, size) }));
  const resources = split.use.kernel.bindings.map(({ name }, i) => (name === 'partials' ? { buffer: marks } : split.resources[i]));
  const ownOutputs = copies.map(({ to, size }) => ({ buffer: to, offset: 0, size }));
  const joined = await bound(context, kernel, [...resources, ...ownOutputs, { buffer: arrivals }], split.workgroups);
  const apart = [split.dispatch, combine.dispatch];
  await run(gpu, apart);
  const want = [];
  for (const { buffer, offset, size } of copies) want.push(await wordsOf(gpu, buffer, offset, size));
  for (let again = 0; again < 20; again++) {
    await run(gpu, [joined]);
    for (const [i, { to, size }] of copies.entries()) {
      const found = await wordsOf(gpu, to, 0, size);
      // What lies behind is other values', which had the place before.
      const count = writtenBytes(outputs[i].name, values) / 4;
      const wrong = found.slice(0, count).findIndex((word, at) => word !== want[i][at]);
      if (wrong >= 0) throw new Error(`combine inside: word ${wrong} of ${outputs[i].name} differs in run ${again}`);
    }
  }
  tell({ idea: 'combine', keys, words, splitUs: own, ...await timedInTurns(gpu, { apart, together: [joined] }) });
}

/** The text of split attention whose last workgroup of a head combines. */
function joinedKernel(split, combine) {
  const [, heads, width, splits, granule] = /\[(\d+), (\d+)\] (\d+)x(\d+)/.exec(combine.label).map(Number);
  const quads = width / 4 + 1;
  const perWorkgroup = Number(/let firstHead = workgroup\.x \* (\d+)u/.exec(split.wgsl)[1]);
  const used = /let used = ([^;]+);/.exec(combine.wgsl)[1];
  const body = combine.wgsl.replaceAll(/^@group.*\n/gm, '').replaceAll(/^enable.*\n/gm, '')
    .replaceAll(/\b(merged|maxima|weights|finished)\b/g, 'combine_$1')
    .replace(/@compute @workgroup_size\(\d+\)\nfn main\([^{]*\{/, 'fn combineHead(workgroup: vec3<u32>, lane: u32) {')
    .replaceAll(/min\((split\d+), \d+u\)/g, 'min($1, used - 1u)')
    .replaceAll(/\bpartials\[([^\]]+)\]/g, 'loadPartial($1)');
  const helpers = `fn wordOf(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits, 0x7fc00000u, (bits & 0x7fffffffu) > 0x7f800000u);
}
fn storePartial(at: u32, value: vec4<f32>) {
${[0, 1, 2, 3].map((i) => `  atomicStore(&partials[at * 4u + ${i}u], wordOf(value[${i}]));`).join('\n')}
}
fn waitFor(at: u32) -> f32 {
  var word = atomicLoad(&partials[at]);
  loop { if (word != 0xffffffffu) { break; } word = atomicLoad(&partials[at]); }
  return bitcast<f32>(word);
}
fn loadPartial(at: u32) -> vec4<f32> {
  return vec4<f32>(waitFor(at * 4u), waitFor(at * 4u + 1u), waitFor(at * 4u + 2u), waitFor(at * 4u + 3u));
}
var<workgroup> arrived: u32;
`;
  const outputs = combine.bindings.filter(({ name }) => name.startsWith('y'));
  const added = [...outputs, { name: 'arrivals', access: 'write', type: 'array<atomic<u32>>' }];
  const bindings = split.bindings.map((each) => (each.name === 'partials' ? { ...each, type: 'array<atomic<u32>>' } : each));
  const atomic = split.wgsl.replace('partials: array<vec4<f32>>;', 'partials: array<atomic<u32>>;');
  const stored = atomic.replaceAll(/\bpartials\[([^\]]+)\] = ([^;]+);/g, 'storePartial($1, $2);');
  const end = `  workgroupBarrier();
  let used = ${used};
  if (lane == 0u) { arrived = atomicAdd(&arrivals[row * ${heads}u + workgroup.x], 1u); }
  if (workgroupUniformLoad(&arrived) != used - 1u) { return; }
  for (var h = 0u; h < ${perWorkgroup}u; h++) {
    combineHead(vec3<u32>(firstHead + h, row, 0u), lane);
    workgroupBarrier();
  }
  let begin = (row * ${heads}u + firstHead) * ${splits * quads * 4}u;
  for (var i = lane; i < ${perWorkgroup * splits * quads * 4}u; i += ${INVOCATIONS}u) {
    atomicStore(&partials[begin + i], 0xffffffffu);
  }
  if (lane == 0u) { atomicStore(&arrivals[row * ${heads}u + workgroup.x], 0u); }
}
`;
  const withEnd = `${stored.trimEnd().slice(0, -1)}${end}`.replace('@compute', `${helpers}${body}@compute`);
  const { label, workgroupSize, needs } = split;
  const areEqual = workgroupSize === INVOCATIONS && combine.workgroupSize === INVOCATIONS;
  if (!areEqual) throw new Error(`${label}: not of ${INVOCATIONS} invocations`);
  const wgsl = withBindings({ wgsl: withEnd, bindings }, added);
  const names = { key: `${split.key} with its combine`, label: `${label} with its combine` };
  const kernel = { ...names, workgroupSize, needs, bindings: [...bindings, ...added], wgsl };
  return { kernel, heads, granule, words: heads * splits * quads * 4, values: heads * width };
}

/** Of a result of so many values; the third plane of statistics is of a norm, which attention has not. */
function writtenBytes(name, values) {
  return { y: values * 4, yCodes: q8CodeBytes(1, values), yStats: (2 * q8StatBytes(1, values)) / 3 }[name];
}

async function run(gpu, dispatches, times = 1) {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let i = 0; i < times; i++) encodeDispatches(pass, dispatches);
  pass.end();
  const commands = encoder.finish();
  const start = performance.now();
  gpu.queue.submit([commands]);
  await gpu.queue.onSubmittedWorkDone();
  return performance.now() - start;
}

async function wordsOf(gpu, buffer, offset = 0, size = 16) {
  const to = gpu.device.createBuffer({ size, usage: 9 });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, offset, to, 0, size);
  gpu.queue.submit([encoder.finish()]);
  await to.mapAsync(1);
  return [...new Uint32Array(to.getMappedRange())];
}

/** Microseconds of a list, median of runs. */
async function timed(gpu, dispatches) {
  const times = flags.device === 'software' ? 2 : 200;
  await run(gpu, dispatches, times);
  const runs = [];
  for (let i = 0; i < 7; i++) runs.push((await run(gpu, dispatches, times)) * 1000 / times);
  return summarise(runs).median;
}

async function timedInTurns(gpu, { apart, together }) {
  const us = { apart: [], together: [] };
  for (let i = 0; i < 5; i++) {
    us.apart.push(await timed(gpu, apart));
    us.together.push(await timed(gpu, together));
  }
  return { apartUs: summarise(us.apart).median, togetherUs: summarise(us.together).median };
}

function tell(row) {
  console.log(JSON.stringify(row));
  if (flags.out === undefined) return;
  const about = { time: new Date().toISOString(), bench: 'fewer-dispatches', device: flags.device, commit: describeCommit() };
  appendFileSync(flags.out, `${JSON.stringify({ ...about, ...row })}\n`);
}
