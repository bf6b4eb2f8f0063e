/**
 * Tokens per second of 1, 4, 16 and 64 answers that run beside each other on a GPU, through the engine, and what a step of so many rows
 * takes the device. Usage: node bench/gpu-streams.mjs MODEL.gguf [--streams 1,4,16,64] [--keys 512] [--tokens 128] [--runs 3]
 *   [--device gpu|software] [--sampling '{"temperature":0.8,"topK":40}'] [--json FILE.jsonl]
 * Each stream has a prompt of its own of `keys` random ids, read by an uncounted run before, so that a counted one reads a page of it.
 * What counts is the time when all streams have a token until the first of them ends. A step's time on the device is that of a chain of
 * steps of as many rows, encoded before the clock starts, without the choice of tokens.
 */
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { randomIds } from '../dist/bench/workloads.js';
import { createModel } from '../dist/engine/model.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { encodeDispatches } from '../dist/gpu/program/bound-plan.js';
import { tokenRun } from '../dist/graph/decoder-steps.js';
import { decoderOf } from '../dist/graph/model-graphs.js';
import { stateGroups } from '../dist/graph/state.js';
import { openGpuExecutor } from '../dist/node/gpu-executor.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit, summarise } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: 'string', default: '1,4,16,64' },
    keys: { type: 'string', default: '512' },
    tokens: { type: 'string', default: '128' },
    runs: { type: 'string', default: '3' },
    device: { type: 'string', default: 'gpu' },
    sampling: { type: 'string', default: '{"temperature":0}' },
    json: { type: 'string' },
  },
});
const [keys, tokens, runs] = [flags.keys, flags.tokens, flags.runs].map(Number);
const counts = flags.streams.split(',').map(Number);
const contextLength = keys + tokens;
const executor = await openGpuExecutor(flags.device === 'gpu' ? 'hardware' : 'software');
if ('problem' in executor) throw new Error(executor.problem);
let program;
const watched = { ...executor, load: async (request) => (program = await executor.load(request)) };
const loadedAt = performance.now();
const model = await createModel({
  checkpoint: await openCheckpoint(await locate(path)), executor: watched, contextLength, maxConcurrent: Math.max(...counts),
});
console.log(`${executor.description}, ${basename(path)}, loaded in ${((performance.now() - loadedAt) / 1000).toFixed(1)} s, ${keys} keys`);
const found = new Map();
for (const streams of counts) {
  await measured(streams);
  const own = [];
  for (let run = 0; run < runs; run++) own.push(await measured(streams));
  found.set(streams, own);
}
const rateOf = (streams) => summarise(found.get(streams).map(({ rate }) => rate));
// Behind all answers: it writes to pages that the engine may keep.
for (const streams of counts) {
  const rate = rateOf(streams);
  const stepMs = summarise(found.get(streams).map(({ ms }) => ms)).median;
  const step = await deviceStep(streams);
  console.log(
    `${String(streams).padStart(3)} streams: ${rate.median.toFixed(0)} tok/s (${rate.min.toFixed(0)} to ${rate.max.toFixed(0)}), ` +
      `${(rate.median / rateOf(counts[0]).median).toFixed(2)} of the first; ${stepMs.toFixed(3)} ms a token of each, the device's step ` +
      `${step.deviceMs.toFixed(3)} ms, to encode it ${step.encodeMs.toFixed(3)} ms, ${step.dispatches} dispatches`,
  );
  const line = {
    time: new Date().toISOString(), bench: 'gpu-streams', device: executor.description, commit: describeCommit(), model: basename(path),
    streams, keys, tokens, sampling: JSON.parse(flags.sampling), tokensPerSecond: rate, stepMs, ...step,
  };
  if (flags.json) appendFileSync(flags.json, `${JSON.stringify(line)}\n`);
}
await model.dispose();

/** Tokens a second of all streams while all of them run, and milliseconds of a token of each. */
async function measured(streams) {
  const starts = [];
  const ends = [];
  let between = 0;
  const run = async (stream) => {
    const ids = randomIds(keys, { seed: 1 + stream, vocabSize: model.info.vocabSize });
    const answer = model.generate({ ids, maxTokens: tokens, ignoreEos: true, seed: stream, ...JSON.parse(flags.sampling) });
    let isFirst = true;
    for await (const piece of answer) {
      if (isFirst) starts.push(performance.now());
      else if (starts.length === streams && ends.length === 0) between += piece.tokens.length;
      if (isFirst && starts.length === streams) between = 0;
      isFirst = false;
    }
    ends.push(performance.now());
  };
  await Promise.all(Array.from({ length: streams }, (_, stream) => run(stream)));
  const ms = Math.min(...ends) - Math.max(...starts);
  return { rate: (between * 1000) / ms, ms: (ms * streams) / between };
}

/** Milliseconds of a step of one row of each of `streams` sequences, in a queue that never runs dry, and of its encoding. */
async function deviceStep(streams) {
  const names = decoderOf(program.model);
  const groups = [...stateGroups(program.model.states).keys()];
  const pagesOf = Math.ceil(contextLength / 64);
  for (const group of groups) program.ensurePages(group, pagesOf * streams);
  const hasSlots = program.model.states.some(({ kind }) => kind === 'slot');
  const sequences = Array.from({ length: streams }, (_, stream) => ({
    tokens: [17 + stream], start: keys, outputs: [0],
    pages: groups.map(() => Array.from({ length: pagesOf }, (_page, i) => stream * pagesOf + i)),
    slots: hasSlots ? { read: stream + 1, write: stream + 1 } : undefined,
  }));
  if (hasSlots) program.ensureSlots(streams + 1);
  const run = tokenRun(names, sequences, [names.logits]);
  await program.run([run]);
  const { gpu, steps } = await program.runDispatches(run);
  const encoded = () => {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encodeDispatches(pass, steps);
    pass.end();
    return encoder.finish();
  };
  const times = flags.device === 'gpu' ? 40 : 2;
  const [encode, device] = [[], []];
  for (let i = 0; i < 5; i++) {
    const before = performance.now();
    const buffers = Array.from({ length: times }, encoded);
    encode.push((performance.now() - before) / times);
    await gpu.queue.onSubmittedWorkDone();
    const start = performance.now();
    for (const buffer of buffers) gpu.queue.submit([buffer]);
    await gpu.queue.onSubmittedWorkDone();
    device.push((performance.now() - start) / times);
  }
  return { deviceMs: summarise(device).median, encodeMs: summarise(encode).median, dispatches: steps.length };
}
