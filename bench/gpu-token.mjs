/**
 * Where a decoded token's time goes on a GPU: each kind of kernel by itself over all layers, the whole token as one chain, and what
 * encoding costs in JavaScript. Usage: node bench/gpu-token.mjs MODEL.gguf [--keys 128,4096] [--out FILE.jsonl] [--device gpu|software]
 *   [--streams 1,4,16 [--sampling '{"temperature":0.8,"topK":40}']]: a step of a token of each of so many sequences; default 1, greedy
 *   [--knobs '{"attention":{"splitFrom":1024}}']: changes to the profile
 *   [--rows 31,128,512 [--before 0,1024]]: chunks of a prompt in place of tokens
 *   [--switches]: what a kind costs more behind another   [--cold]: what it costs more where the device's cache holds something else
 * A kind's figure is the wall time of many submits of nothing but its dispatches, layer after layer, so each finds its own weights in
 * memory and not in a cache. The kinds' sum leaves out what a kernel gains or loses by what ran before it; the same dispatches kind after
 * kind in one submit tell that from what a device loses by long work.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { kvLayoutOf } from '../dist/engine/model-room.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { encodeDispatches } from '../dist/gpu/program/bound-plan.js';
import { tokenRun } from '../dist/graph/decoder-steps.js';
import { decoderOf } from '../dist/graph/model-graphs.js';
import { stateGroups } from '../dist/graph/state.js';
import { profileFor } from '../dist/gpu/profile/profile-for.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { openGpuExecutor } from '../dist/node/gpu-executor.js';
import { locate } from '../dist/node/open-path.js';
import { summarise } from './measurement.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keys: { type: 'string', default: '128,4096' },
    streams: { type: 'string', default: '1' },
    sampling: { type: 'string', default: '{}' },
    out: { type: 'string' },
    device: { type: 'string', default: 'gpu' },
    knobs: { type: 'string' },
    rows: { type: 'string' },
    before: { type: 'string', default: '0' },
    switches: { type: 'boolean', default: false },
    cold: { type: 'boolean', default: false },
  },
});
const [path] = positionals;
const adapterKind = flags.device === 'gpu' ? 'hardware' : 'software';
const executor = await openGpuExecutor(adapterKind, flags.knobs ? { profile: await profileWith(JSON.parse(flags.knobs)) } : {});
if ('problem' in executor) throw new Error(executor.problem);
const checkpoint = await openCheckpoint(await locate(path));
const { model, weights } = await openDecoder(checkpoint);
const contextLength = 8192;
const PAGE_TOKENS = 64;
const WARM_MS = 600;
const program = await executor.load({ model, weights, kv: kvLayoutOf(contextLength, { type: 'f16' }), sizes: { rows: 1024 } });
await checkpoint.close();
// Dispatches share bind groups when all kernels of that form are there.
await program.prepare();
// Every group of states has the same page numbers.
const groups = [...stateGroups(program.model.states).keys()];
if (flags.rows === undefined) {
  for (const keys of flags.keys.split(',').map(Number)) {
    for (const streams of flags.streams.split(',').map(Number)) await measure(keys, streams);
  }
} else for (const rows of flags.rows.split(',').map(Number)) {
  for (const before of flags.before.split(',').map(Number)) await measureChunk(rows, before);
}
await program.dispose();

async function profileWith(changes) {
  const profile = profileFor((await findAdapter(adapterKind)).facts);
  const knobs = { ...profile.knobs };
  for (const [family, own] of Object.entries(changes)) knobs[family] = { ...knobs[family], ...own };
  return { ...profile, knobs };
}

/** Where `count` sequences of up to `tokens` tokens have their state. */
function placesOf(count, tokens) {
  const each = Math.ceil(tokens / PAGE_TOKENS);
  for (const group of groups) program.ensurePages(group, each * count);
  const hasSlots = program.model.states.some(({ kind }) => kind === 'slot');
  if (hasSlots) program.ensureSlots(count + 1);
  return Array.from({ length: count }, (_sequence, n) => {
    const pages = Array.from({ length: each }, (_page, i) => n * each + i);
    return { pages: groups.map(() => pages), slots: hasSlots ? { read: n + 1, write: n + 1 } : undefined };
  });
}

async function measure(keys, streams) {
  // Sets positions and the sampler as a run would leave them.
  const settings = {
    temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1,
    ...JSON.parse(flags.sampling),
  };
  const history = { promptIds: [], outputIds: [] };
  const choices = Array.from({ length: streams }, () => program.chooser.open({ sampling: settings, history }));
  // The sampler moves positions on to one more.
  const sequences = placesOf(streams, keys + 1).map((place, n) => ({
    ...place, tokens: [17 + n], start: keys - 1, wanted: 'token', choice: choices[n],
  }));
  await (await program.chooser.submit({ sequences, steps: 1 })).results;
  const { gpu, steps, sampling } = program.tokenDispatches(keys, choices);
  for (const choice of choices) program.chooser.close(choice);
  // The kernel that moves positions on would have later runs attend to more keys.
  const isLast = ({ label }) => /^(argmax-pick|draw-token)/.test(label);
  const all = [...steps, ...sampling.filter((dispatch) => !isLast(dispatch))];
  const of = { keys, streams };
  const bound = new Set(all.map(({ group }) => group)).size;
  const what = `${all.length} dispatches of ${bound} groups a step, and the sampler's last`;
  console.log(`${gpu.name}, ${model.name}, ${streams} of ${keys} keys, ${what}`);
  const sum = await measureKinds(gpu, all, of);
  // About as long for few rows as for many.
  const tokens = flags.device === 'software' ? 1 : streams > 4 ? 15 : 60;
  const step = await pipelined(gpu, all, { tokens, live: false });
  const live = await pipelined(gpu, all, { tokens, live: true });
  const byKind = await pipelined(gpu, [...kindsOf(all).values()].flat(), { tokens, live: false });
  const burst = await timed(gpu, all);
  if (flags.switches) await measureSwitches(gpu, all, of);
  if (flags.cold) await measureCold(gpu, all, of);
  const encode = encodeTime(gpu, all);
  const rate = (us) => `${us.toFixed(0)} us (${((streams * 1e6) / us).toFixed(0)} tok/s)`;
  console.log(
    `  sum of kinds ${sum.toFixed(0)} us; whole step ${rate(step)}, encoded meanwhile ${rate(live)}, kind after kind ` +
      `${byKind.toFixed(0)} us, whole in bursts ${burst.toFixed(0)} us; ` +
      `encode ${encode.encode.toFixed(0)} us, submit ${encode.submit.toFixed(0)} us`,
  );
  const host = { encodeUs: encode.encode, submitUs: encode.submit };
  record({ ...of, token: true, us: step, liveUs: live, byKindUs: byKind, burstUs: burst, ...host });
}

/** A chunk of a prompt, the logits of its last row wanted: by kinds, as a chain, and as the program runs it, with the host's part. */
async function measureChunk(rows, before) {
  const names = decoderOf(program.model);
  const tokens = Array.from({ length: rows }, (_, i) => 1 + ((i * 31) % 1000));
  const [place] = placesOf(1, contextLength);
  const sequence = { ...place, tokens, start: before, outputs: [rows - 1] };
  const run = tokenRun(names, [sequence], [names.logits]);
  const whole = [];
  for (let i = 0; i < 6; i++) {
    const start = performance.now();
    await program.run([run]);
    if (i > 0) whole.push(performance.now() - start);
  }
  const { gpu, steps: used } = await program.runDispatches(run);
  console.log(`${gpu.name}, ${model.name}, ${rows} rows behind ${before}, ${used.length} dispatches`);
  const sum = await measureKinds(gpu, used, { rows, before });
  if (flags.switches) await measureSwitches(gpu, used, { rows, before });
  const chain = await timed(gpu, used);
  const encode = encodeTime(gpu, used);
  const ms = summarise(whole).median;
  console.log(
    `  sum of kinds ${sum.toFixed(0)} us; as one chain ${chain.toFixed(0)} us; as a run, logits of one row read ` +
      `${(ms * 1000).toFixed(0)} us (${((rows / ms) * 1000).toFixed(0)} tok/s); encode ${encode.encode.toFixed(0)} us, ` +
      `submit ${encode.submit.toFixed(0)} us`,
  );
  record({ rows, before, chunk: true, us: chain, runUs: ms * 1000, encodeUs: encode.encode, submitUs: encode.submit });
}

/** Two kinds that follow each other, in turns, beside each of them by itself: what a change of kernels costs. */
async function measureSwitches(gpu, all, of) {
  const neighbours = new Map();
  all.slice(1).forEach(({ label }, i) => neighbours.set(`${all[i].label} | ${label}`, [all[i].label, label]));
  const chainOf = (...labels) => all.filter(({ label }) => labels.includes(label));
  for (const [name, [a, b]] of neighbours) {
    const both = chainOf(a, b);
    if (a === b || both.length < 8) continue;
    const changes = both.slice(1).filter(({ label }, i) => label !== both[i].label).length;
    const apart = await timed(gpu, chainOf(a)) + await timed(gpu, chainOf(b));
    const us = (await timed(gpu, both) - apart) / changes;
    console.log(`  ${name.padEnd(104)} ${us.toFixed(2).padStart(8)} us a change`);
    record({ ...of, switch: [a, b], changes, us });
  }
}

/** By label, in the order of the first of each. */
function kindsOf(all) {
  const kinds = new Map();
  for (const dispatch of all) kinds.set(dispatch.label, [...(kinds.get(dispatch.label) ?? []), dispatch]);
  return kinds;
}

/**
 * Each kind behind a dispatch that reads more than the device's cache holds, beside those two by themselves: what it costs that neither its
 * code nor what the kernels before it made is near.
 */
async function measureCold(gpu, all, of) {
  const flush = await createFlush(gpu);
  for (const [label, dispatches] of kindsOf(all)) {
    if (dispatches.length < 8) continue;
    const between = await timed(gpu, dispatches.map(() => flush));
    const both = await timed(gpu, dispatches.flatMap((dispatch) => [flush, dispatch]));
    const us = (both - between - await timed(gpu, dispatches)) / dispatches.length;
    const flushUs = between / dispatches.length;
    console.log(`  ${label.padEnd(52)} ${us.toFixed(2).padStart(8)} us more where it is cold (to flush: ${flushUs.toFixed(1)})`);
    record({ ...of, cold: label, us });
  }
}

/** A small kernel that reads 128 MiB. */
async function createFlush({ device }) {
  const usage = GPUBufferUsage.STORAGE;
  const [source, into] = [2 ** 27, 16].map((size) => device.createBuffer({ size, usage }));
  const code = `@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> into: array<u32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var sum = vec4<u32>();
  for (var i = 0u; i < 16u; i++) { sum += source[id.x + i * ${2 ** 27 / 16 / 16}u]; }
  if (all(sum == vec4<u32>(1u))) { into[0] = 1u; }
}`;
  const module = device.createShaderModule({ code });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const entries = [source, into].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  return { label: 'flush', pipeline, group, workgroups: [2 ** 27 / 16 / 16 / 256, 1, 1] };
}

/** A device that has rested takes some tenths of a second to clock up: it works until it has. */
async function warmUp(gpu, dispatches) {
  const end = performance.now() + WARM_MS;
  while (flags.device === 'gpu' && performance.now() < end) {
    gpu.queue.submit([encoded(gpu, dispatches, 1)]);
    await gpu.queue.onSubmittedWorkDone();
  }
}

/** Prints each kind of dispatch by itself; the sum of all in microseconds. */
async function measureKinds(gpu, all, of) {
  let sum = 0;
  await warmUp(gpu, all);
  for (const [label, dispatches] of kindsOf(all)) {
    const us = await timed(gpu, dispatches) / dispatches.length;
    sum += us * dispatches.length;
    console.log(
      `  ${label.padEnd(52)} x${String(dispatches.length).padStart(3)}  ${us.toFixed(2).padStart(8)} us  ` +
        `${(us * dispatches.length).toFixed(0).padStart(6)} us in all`,
    );
    record({ ...of, kernel: label, dispatches: dispatches.length, us });
  }
  return sum;
}

/**
 * Microseconds of a token in a queue that never runs dry: one submit each, encoded before the clock starts or (`live`) while others run.
 */
async function pipelined(gpu, dispatches, { tokens, live }) {
  const runs = [];
  for (let i = 0; i < 5; i++) {
    const buffers = live ? [] : Array.from({ length: tokens }, () => encoded(gpu, dispatches, 1));
    await gpu.queue.onSubmittedWorkDone();
    const start = performance.now();
    for (let n = 0; n < tokens; n++) gpu.queue.submit([live ? encoded(gpu, dispatches, 1) : buffers[n]]);
    await gpu.queue.onSubmittedWorkDone();
    runs.push((performance.now() - start) / tokens);
  }
  return summarise(runs).median * 1000;
}

function encoded(gpu, dispatches, times) {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let i = 0; i < times; i++) encodeDispatches(pass, dispatches);
  pass.end();
  return encoder.finish();
}

/** Microseconds for one pass over `dispatches`: median of runs of some 8 ms, a submit each pass, encoded before the clock starts. */
async function timed(gpu, dispatches) {
  const once = async (times) => {
    const buffers = Array.from({ length: times }, () => encoded(gpu, dispatches, 1));
    await gpu.queue.onSubmittedWorkDone();
    const start = performance.now();
    for (const buffer of buffers) gpu.queue.submit([buffer]);
    await gpu.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  await once(1);
  const times = Math.max(1, Math.min(400, Math.ceil(8 / Math.max(0.01, await once(2) / 2))));
  const runs = [];
  for (let i = 0; i < 7; i++) runs.push(await once(times) / times);
  return summarise(runs).median * 1000;
}

function encodeTime(gpu, dispatches) {
  const times = 10;
  let encode = 0;
  let submit = 0;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    const buffer = encoded(gpu, dispatches, times);
    const middle = performance.now();
    gpu.queue.submit([buffer]);
    encode = middle - start;
    submit = performance.now() - middle;
  }
  return { encode: (encode * 1000) / times, submit: (submit * 1000) / times };
}

function record(line) {
  if (flags.out)
    appendFileSync(
      flags.out,
      `${JSON.stringify({
        time: new Date().toISOString(), bench: 'gpu-token', device: executor.description, commit: process.env.INGOT_COMMIT,
        model: path.split('/').at(-1), ...(flags.knobs && { knobs: JSON.parse(flags.knobs) }), ...line,
      })}\n`,
    );
}
