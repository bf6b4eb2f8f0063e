/**
 * Where a decoded token's time goes on a GPU: each kind of kernel by itself over all layers, the whole token as one chain, and what
 * encoding costs in JavaScript. Usage: node bench/gpu-token.mjs MODEL.gguf [--keys 128,4096] [--out FILE.jsonl] [--device gpu|software]
 *   [--streams 1,4,16 [--sampling '{"temperature":0.8,"topK":40}']]: a step of a token of each of so many sequences; default 1, greedy
 *   [--knobs '{"attention":{"splitFrom":1024}}']: changes to the profile
 *   [--rows 31,128,512 [--before 0,1024] [--switches]]: chunks of a prompt in place of tokens; what a kind costs more behind another
 * A kind's figure is the wall time of many submits of nothing but its dispatches, layer after layer, so each finds its own weights in
 * memory and not in a cache. The kinds' sum leaves out what a kernel gains or loses by what ran before it.
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
const program = await executor.load({ model, weights, kv: kvLayoutOf(contextLength, { type: 'f16' }), sizes: { rows: 512 } });
await checkpoint.close();
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
  const sequences = placesOf(streams, keys).map((place, n) => ({
    ...place, tokens: [17 + n], start: keys - 1, wanted: 'token', choice: choices[n],
  }));
  await (await program.chooser.submit({ sequences, steps: 1 })).results;
  const { gpu, steps, sampling } = program.tokenDispatches(keys, choices);
  for (const choice of choices) program.chooser.close(choice);
  // The kernel that moves positions on would have later runs attend to more keys.
  const isLast = ({ label }) => /^(argmax-pick|draw-token)/.test(label);
  const all = [...steps, ...sampling.filter((dispatch) => !isLast(dispatch))];
  const of = { keys, streams };
  console.log(`${gpu.name}, ${model.name}, ${streams} of ${keys} keys, ${all.length + 1} dispatches a step, the sampler's last left out`);
  const sum = await measureKinds(gpu, all, of);
  // About as long for few rows as for many.
  const tokens = streams > 4 ? 15 : 60;
  const step = await pipelined(gpu, all, { tokens, live: false });
  const live = await pipelined(gpu, all, { tokens, live: true });
  const encode = encodeTime(gpu, all);
  const rate = (us) => `${us.toFixed(0)} us (${((streams * 1e6) / us).toFixed(0)} tok/s)`;
  console.log(
    `  sum of kinds ${sum.toFixed(0)} us; whole step ${rate(step)}, encoded meanwhile ${rate(live)}; ` +
      `encode ${encode.encode.toFixed(0)} us, submit ${encode.submit.toFixed(0)} us`,
  );
  record({ ...of, token: true, us: step, liveUs: live, encodeUs: encode.encode, submitUs: encode.submit });
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

/** Prints each kind of dispatch by itself; the sum of all in microseconds. */
async function measureKinds(gpu, all, of) {
  const kinds = new Map();
  for (const dispatch of all) kinds.set(dispatch.label, [...(kinds.get(dispatch.label) ?? []), dispatch]);
  let sum = 0;
  for (const [label, dispatches] of kinds) {
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
        model: path.split('/').at(-1), ...line,
      })}\n`,
    );
}
