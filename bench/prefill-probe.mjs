/**
 * Where a slow prompt loses its time: reads prompts one after another as `ingot bench --workloads prefill` does (a warm one, then one that
 * counts) and keeps of each the times of every submit, of what it waited for, of compilations, new buffers and bind groups, and of the
 * garbage collector. Prints the median prompt and each that took more than 1.3 times as long, beside each other.
 * Usage: node bench/prefill-probe.mjs FILE.gguf [--device gpu|software] [--rows 512] [--runs 30] [--pause 0.5] [--out FILE.jsonl]
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { loadModel } from '../dist/node/load-model.js';
import { globals } from 'webgpu';
import { describeCommit } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'gpu' }, rows: { type: 'string', default: '512' }, runs: { type: 'string', default: '30' },
    pause: { type: 'string', default: '0.5' }, out: { type: 'string' },
  },
});
if (path === undefined) throw new Error('which model? node bench/prefill-probe.mjs FILE.gguf');
/** What happened in the prompt that is read, in ms from its beginning. */
let events;
let startedAt = 0;
const at = (time = performance.now()) => Number((time - startedAt).toFixed(2));
const kinds = Object.entries(constants).filter(([name]) => name.startsWith('NODE_PERFORMANCE_GC_'));
const observer = new PerformanceObserver((list) => {
  for (const { startTime, duration, detail } of list.getEntries()) {
    const kind = kinds.find(([, value]) => value === detail?.kind)?.[0].replace('NODE_PERFORMANCE_GC_', '').toLowerCase();
    events?.push({ what: `gc ${kind}`, at: at(startTime), took: Number(duration.toFixed(2)) });
  }
});
observer.observe({ entryTypes: ['gc'] });
const { GPUQueue, GPUDevice, GPUBuffer } = globals;
timedCalls(GPUDevice, 'createBuffer', ({ size }) => `buffer of ${(size / 2 ** 20).toFixed(1)} MB`);
timedCalls(GPUDevice, 'createBindGroup', () => 'bind group');
timedCalls(GPUDevice, 'createComputePipelineAsync', ({ label }) => `compile ${label}`);
timedCalls(GPUBuffer, 'mapAsync', () => 'map', 'done');
timedCalls(GPUQueue, 'submit', () => 'submit', 'watch');
timedCalls(GPUQueue, 'writeBuffer', () => 'write');

const model = await loadModel(path, { device: flags.device, contextLength: 2048 });
await model.ready();
const ids = Array.from({ length: Number(flags.rows) }, (_, i) => (i * 7919 + 13) % Math.min(30_000, 200 + i * 50));
const runs = [];
for (let i = 0; i < Number(flags.runs); i++) {
  await new Promise((resolve) => { setTimeout(resolve, 1000 * Number(flags.pause)); });
  const warm = await read(ids.toReversed());
  runs.push({ warmMs: warm.ms, ...(await read(ids)) });
}
await model.dispose();

const sorted = runs.map(({ ms }) => ms).sort((a, b) => a - b);
const median = sorted[sorted.length >> 1];
console.log(`${runs.length} prompts of ${ids.length}: median ${median.toFixed(1)} ms, least ${sorted[0].toFixed(1)}, ` +
  `most ${sorted.at(-1).toFixed(1)}; all ${runs.map(({ ms }) => ms.toFixed(1)).join(' ')}; ` +
  `warm ones ${runs.map(({ warmMs }) => warmMs.toFixed(1)).join(' ')}`);
show('median', runs.find(({ ms }) => ms === median));
for (const run of runs.filter(({ ms }) => ms > 1.3 * median).slice(0, 4)) show('slow', run);
if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify({ commit: describeCommit(), ...flags, path, runs })}\n`);

async function read(prompt) {
  events = [];
  startedAt = performance.now();
  let ms;
  for await (const { tokens } of model.generate({ ids: prompt, maxTokens: 1, temperature: 0, ignoreEos: true, cachePrompt: false }))
    if (tokens.length > 0) ms ??= at();
  // What is watched beside the run, and the collector, tell late.
  await new Promise((resolve) => { setTimeout(resolve, 20); });
  const found = { ms, events };
  events = undefined;
  return found;
}

/** Keeps when a call was made and how long it took; `done`: also when what it gives is there; `watch`: when the device is done with it. */
function timedCalls({ prototype }, name, describe, later) {
  const own = prototype[name];
  prototype[name] = function (...args) {
    const list = events;
    const from = performance.now();
    const result = own.apply(this, args);
    if (list === undefined) return result;
    const event = { what: describe(...args), at: at(from), took: Number((performance.now() - from).toFixed(2)) };
    list.push(event);
    const noted = later === 'watch' ? this.onSubmittedWorkDone() : later === 'done' ? result : undefined;
    noted?.then(() => { event.done = at(); }, () => {});
    return result;
  };
}

/** Bind groups and writes by their sums, all else in order. */
function show(title, { ms, events: all }) {
  const summed = ['bind group', 'write'].map((name) => {
    const own = all.filter(({ what }) => what === name);
    const took = own.reduce((sum, event) => sum + event.took, 0);
    return `${own.length} ${name}s in ${took.toFixed(2)} ms${own.length > 0 ? `, the first at ${own[0].at}` : ''}`;
  });
  console.log(`\n${title}: ${ms.toFixed(1)} ms; ${summed.join('; ')}`);
  const rest = all.filter(({ what }) => !['bind group', 'write'].includes(what));
  for (const { what, at: from, took: own, done } of rest.sort((a, b) => a.at - b.at))
    console.log(`  ${String(from).padStart(8)} ${what}, ${own} ms${done === undefined ? '' : `, done at ${done}`}`);
}
