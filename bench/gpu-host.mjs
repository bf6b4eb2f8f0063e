/**
 * What a decoded token of one answer costs the host of a GPU: processor time of the process, time of the thread that JavaScript runs in
 * (Dawn has it look for what is done whenever it rests), and which functions take it, beside tokens per second and what the device takes
 * for the same steps encoded before.
 * Usage: node bench/gpu-host.mjs MODEL.gguf [--keys 128] [--tokens 256] [--runs 6] [--device gpu|software] [--top 16] [--out FILE.jsonl]
 * The functions are from one more run, under V8's sampling profiler: WebGPU's by who calls them.
 */
import { appendFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { randomIds } from '../dist/bench/workloads.js';
import { createModel } from '../dist/engine/model.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { encodeDispatches } from '../dist/gpu/program/bound-plan.js';
import { openGpuExecutor } from '../dist/node/gpu-executor.js';
import { locate } from '../dist/node/open-path.js';
import { describeCommit, summarise } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    keys: { type: 'string', default: '128' }, tokens: { type: 'string', default: '256' }, runs: { type: 'string', default: '6' },
    device: { type: 'string', default: 'gpu' }, top: { type: 'string', default: '16' }, out: { type: 'string' },
  },
});
const [keys, tokens, runs, top] = [flags.keys, flags.tokens, flags.runs, flags.top].map(Number);
const executor = await openGpuExecutor(flags.device === 'gpu' ? 'hardware' : 'software');
if ('problem' in executor) throw new Error(executor.problem);
let program;
const watched = { ...executor, load: async (request) => (program = await executor.load(request)) };
const model = await createModel({ checkpoint: await openCheckpoint(await locate(path)), executor: watched, contextLength: keys + tokens });
await model.ready?.();
for (let i = 0; i < 2; i++) await answer();
const answers = [];
for (let run = 0; run < runs; run++) answers.push(await answer());
const figures = Object.fromEntries(Object.keys(answers[0]).map((key) => [key, summarise(answers.map((one) => one[key]))]));
const device = await deviceTime();
const functions = await profiled();
const text = ({ median, min, max }) => `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`;
console.log(
  `${basename(path)}, ${keys} keys: ${text(figures.rate)} tok/s; a token: processor ${text(figures.processorUs)} us, thread ` +
    `${text(figures.threadUs)} us; its ${device.dispatches} dispatches on the device ${device.us.toFixed(0)} us`,
);
for (const { name, us } of functions.slice(0, top)) console.log(`  ${us.toFixed(1).padStart(7)} us  ${name}`);
if (flags.out !== undefined) {
  const line = {
    time: new Date().toISOString(), bench: 'gpu-host', device: executor.description, commit: process.env.INGOT_COMMIT ?? describeCommit(),
    model: basename(path), label: process.env.INGOT_LABEL, keys, tokens, ...figures, deviceStep: device, functions,
  };
  appendFileSync(flags.out, `${JSON.stringify(line)}\n`);
}
await model.dispose();

/** From the first piece to the last one; times are of a token, in microseconds. */
async function answer() {
  const ids = randomIds(keys, { seed: 1, vocabSize: model.info.vocabSize });
  let [count, begin] = [0, undefined];
  for await (const piece of model.generate({ ids, maxTokens: tokens, ignoreEos: true, temperature: 0 })) {
    if (begin === undefined) begin = { at: performance.now(), cpu: process.cpuUsage(), loop: performance.eventLoopUtilization() };
    else count += piece.tokens.length;
  }
  const ms = performance.now() - begin.at;
  const { user, system } = process.cpuUsage(begin.cpu);
  const { active } = performance.eventLoopUtilization(begin.loop);
  return { rate: (count * 1000) / ms, processorUs: (user + system) / count, threadUs: (active * 1000) / count };
}

/** Microseconds of a token's steps in a queue that never runs dry. Writes to pages that the engine may keep, so behind all answers. */
async function deviceTime() {
  const choice = program.chooser.open({
    sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1 },
    history: { promptIds: [], outputIds: [] },
  });
  const { gpu, steps, sampling } = program.tokenDispatches(keys, [choice]);
  program.chooser.close(choice);
  // The kernel that moves positions on would have later runs attend to more keys.
  const all = [...steps, ...sampling.filter(({ label }) => !/^(argmax-pick|draw-token)/.test(label))];
  const times = flags.device === 'gpu' ? 100 : 1;
  let least = Infinity;
  for (let run = 0; run < 4; run++) {
    const buffers = Array.from({ length: times }, () => {
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encodeDispatches(pass, all);
      pass.end();
      return encoder.finish();
    });
    await gpu.queue.onSubmittedWorkDone();
    const start = performance.now();
    // One by one: the device begins with the first.
    for (const buffer of buffers) gpu.queue.submit([buffer]);
    await gpu.queue.onSubmittedWorkDone();
    least = Math.min(least, ((performance.now() - start) * 1000) / times);
  }
  return { us: least, dispatches: steps.length + sampling.length };
}

/** Microseconds of a token by function, the most first. */
async function profiled() {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 100 });
  await session.post('Profiler.start');
  await answer();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const own = new Map();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const callers = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node])));
  const nameOf = ({ id, callFrame: { functionName, url, lineNumber } }) => {
    if (url !== '') return `${functionName} ${basename(url)}:${lineNumber + 1}`;
    // Dawn's functions have no names.
    return functionName === '' && callers.has(id) ? `native code that is called by ${nameOf(callers.get(id))}` : functionName;
  };
  profile.samples.forEach((id, i) => {
    const name = nameOf(nodes.get(id));
    own.set(name, (own.get(name) ?? 0) + profile.timeDeltas[i] / tokens);
  });
  return [...own].map(([name, us]) => ({ name, us: Math.round(us * 10) / 10 })).sort((a, b) => b.us - a.us).slice(0, 40);
}
