// CPU against CPU: ingot, node-llama-cpp and (where its path is given) llama.cpp's own llama-bench on one GGUF file.
// node bench/cpu-vs-llama.mjs MODEL.gguf [--llama-bench PATH] [--threads 2] [--runs 5] [--pause 3] [--only prefill,decode,load,memory]
import { execFile, fork } from 'node:child_process';
import { basename, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { ensurePeers } from '../scripts/peers.mjs';
import { build } from '../scripts/build.mjs';
import { alternate, describeCommit, describeMachine, describeModel, packageVersion, randomIds, record, repoRoot, summarise } from './measurement.mjs';

const { values, positionals: [modelPath] } = parseArgs({
  allowPositionals: true,
  options: {
    'llama-bench': { type: 'string', default: process.env.LLAMA_BENCH },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
    pause: { type: 'string', default: '3' },
    prefill: { type: 'string', default: '512' },
    'decode-after': { type: 'string', default: '128' },
    'context-length': { type: 'string', default: '2048' },
    only: { type: 'string', default: 'prefill,decode,load,memory' },
    out: { type: 'string', default: join(repoRoot, 'bench', 'results', 'cpu-vs-llama.jsonl') },
  },
});
if (!modelPath) throw new Error('which GGUF file? node bench/cpu-vs-llama.mjs MODEL.gguf');

const decodeTokens = 128;
const threads = Number(values.threads);
const settings = { threads, contextLength: Number(values['context-length']) };
const protocol = { runs: Number(values.runs), pauseMs: Number(values.pause) * 1000 };
const only = new Set(values.only.split(','));
const llamaBench = values['llama-bench'];

await build();
ensurePeers();
const common = { commit: describeCommit(), machine: describeMachine(), model: await describeModel(modelPath) };
const versions = {
  ingot: packageVersion(repoRoot),
  'node-llama-cpp': packageVersion(join(repoRoot, 'peers', 'node_modules', 'node-llama-cpp')),
};

/** Starts an engine; `call(command, args)` asks it for a figure. */
function startEngine(engine, overrides = {}) {
  const child = fork(join(repoRoot, 'bench', 'engine-child.mjs'), [engine, modelPath, JSON.stringify({ ...settings, ...overrides })]);
  const waiting = new Map();
  let nextId = 1;
  const wait = (id) => new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  child.on('message', ({ id, value, error }) => (error === undefined ? waiting.get(id).resolve(value) : waiting.get(id).reject(new Error(`${engine}: ${error}`))));
  child.on('exit', (code) => waiting.forEach(({ reject }) => reject(new Error(`${engine} ended with ${code}`))));
  const call = (command, args = {}) => {
    const id = nextId++;
    child.send({ id, command, ...args });
    return wait(id);
  };
  return { ready: wait(0), call };
}

/** One llama-bench process a run: tokens per second of its single repetition after its own warm-up. */
async function runLlamaBench(args) {
  const flags = ['-m', modelPath, '-t', String(threads), '-ngl', '0', '-fa', '1', '-b', '512', '-ub', '512', '-r', '1', '-o', 'json', ...args];
  const { stdout } = await promisify(execFile)(llamaBench, flags, { maxBuffer: 1 << 24 });
  const [row] = JSON.parse(stdout);
  versions['llama-bench'] = `${row.build_commit} (build ${row.build_number}, ${basename(join(llamaBench, '..', '..'))})`;
  return row.avg_ts;
}

function report(measure, unit, measured, flags) {
  const ours = summarise(measured.ingot ?? []).median;
  for (const [engine, runs] of Object.entries(measured)) {
    const summary = summarise(runs);
    record(values.out, { ...common, measure, unit, engine: { name: engine, version: versions[engine] }, flags, warmups: 1, pauseSeconds: protocol.pauseMs / 1000, runs, ...summary });
    const round = (value) => value.toFixed(value < 100 ? 2 : 1);
    const share = engine === 'ingot' || !ours ? '' : `  ingot is ${(ours / summary.median).toFixed(2)}x`;
    process.stdout.write(`${measure.padEnd(16)} ${engine.padEnd(16)} ${round(summary.median)} ${unit} (${round(summary.min)}-${round(summary.max)})${share}\n`);
  }
}

async function benchSpeed() {
  const engines = { ingot: startEngine('ingot'), 'node-llama-cpp': startEngine('node-llama-cpp') };
  for (const engine of Object.values(engines)) await engine.ready;
  const askAll = (command, args) => Object.fromEntries(Object.entries(engines).map(([name, { call }]) => [name, (run) => call(command, args(run))]));
  const flags = { ...settings, batchSize: 512, flashAttention: true, kv: 'f16' };
  if (only.has('prefill')) {
    for (const count of values.prefill.split(',').map(Number)) {
      const contestants = askAll('prefill', (run) => ({ ids: randomIds(count, run + 2) }));
      if (llamaBench) contestants['llama-bench'] = () => runLlamaBench(['-p', String(count), '-n', '0']);
      report(`prefill ${count}`, 'tok/s', await alternate(contestants, protocol), flags);
    }
  }
  if (only.has('decode')) {
    for (const depth of values['decode-after'].split(',').map(Number)) {
      const contestants = askAll('decode', (run) => ({ ids: randomIds(depth, run + 2), count: decodeTokens }));
      if (llamaBench) contestants['llama-bench'] = () => runLlamaBench(['-p', '0', '-n', String(decodeTokens), '-d', String(depth)]);
      report(`decode ${decodeTokens}@${depth}`, 'tok/s', await alternate(contestants, protocol), flags);
    }
  }
  for (const engine of Object.values(engines)) await engine.call('close');
}

/** Each load is a fresh process; the file is in the page cache (describeModel has just read it). */
async function benchLoad() {
  const tokenizerMs = [];
  const load = (engine) => async () => {
    const { ready, call } = startEngine(engine);
    const { loadMs } = await ready;
    if (engine === 'ingot') tokenizerMs.push(await call('tokenizerMs'));
    await call('close');
    return loadMs;
  };
  const measured = await alternate({ ingot: load('ingot'), 'node-llama-cpp': load('node-llama-cpp'), 'read-file': load('read-file') }, protocol);
  report('load', 'ms', measured, { ...settings, pageCache: 'warm' });
  const ours = { ingot: tokenizerMs.slice(1) };
  report('load tokenizer', 'ms', ours, { pageCache: 'warm' });
  const apart = summarise(measured.ingot).median - summarise(ours.ingot).median;
  process.stdout.write(`load, tokenizer apart: ${apart.toFixed(0)} ms, ${(apart / summarise(measured['read-file']).median).toFixed(2)}x reading the file\n`);
}

/** Peak resident memory of a process that loads the model and fills the context. */
async function benchMemory() {
  const { ready, call } = startEngine('ingot');
  await ready;
  await call('decode', { ids: randomIds(settings.contextLength - 33, 1), count: 31 });
  const [peak, memory] = [await call('maxRssBytes'), await call('memory')];
  await call('close');
  const excess = peak - common.model.sizeBytes - (memory.kvBytes);
  record(values.out, { ...common, measure: 'peak rss', unit: 'bytes', engine: { name: 'ingot', version: versions.ingot }, flags: settings, memory, runs: [peak], median: peak, min: peak, max: peak, warmups: 0, pauseSeconds: 0 });
  process.stdout.write(`peak rss ${(peak / 1e6).toFixed(0)} MB = file ${(common.model.sizeBytes / 1e6).toFixed(0)} MB + KV + ${(excess / 1e6).toFixed(0)} MB; ${JSON.stringify(memory)}\n`);
}

process.stdout.write(`${common.model.file}, ${threads} threads, ${protocol.runs} runs after 1 warm-up, ${values.pause} s between runs, ${common.machine.cpu}\n`);
if (only.has('prefill') || only.has('decode')) await benchSpeed();
if (only.has('load')) await benchLoad();
if (only.has('memory')) await benchMemory();
