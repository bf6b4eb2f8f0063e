/**
 * What the engine costs the host for a token: processor time of this process while a program that computes nothing, and so takes no time,
 * gives tokens (as a GPU's does) or logits (as the CPU's) to some answers at once. Usage: node bench/engine-time.mjs [MODEL.gguf]
 *   [--streams 1,16,64] [--tokens 256] [--runs 5] [--steps 4] [--logits] [--sampling '{"temperature":0.8,"topK":40}']
 * --steps: of a submit, as the time of a step would have it on a GPU. The file, the bundled one by default, brings tokenizer and graphs.
 */
import { parseArgs } from 'node:util';
import { createModel } from '../dist/engine/model.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { locate } from '../dist/node/open-path.js';
import { randomIds } from '../dist/bench/workloads.js';
import { summarise } from './measurement.mjs';

const { values: flags, positionals: [path = 'models/ember-21m-q4_0.gguf'] } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: 'string', default: '1,16,64' },
    tokens: { type: 'string', default: '256' },
    runs: { type: 'string', default: '5' },
    steps: { type: 'string', default: '4' },
    logits: { type: 'boolean', default: false },
    sampling: { type: 'string', default: '{"temperature":0}' },
  },
});
const [tokens, runs, steps] = [flags.tokens, flags.runs, flags.steps].map(Number);
const streamCounts = flags.streams.split(',').map(Number);
const PROMPT_TOKENS = 64;
let submits = 0;

const model = await createModel({
  checkpoint: await openCheckpoint(await locate(path)),
  executor: { kind: 'cpu', description: 'nothing', load: async ({ model: graphs }) => programOf(graphs) },
  contextLength: PROMPT_TOKENS + tokens, maxConcurrent: Math.max(...streamCounts),
});
for (const streams of streamCounts) {
  await answers(streams);
  const us = [];
  let made = 0;
  for (let run = 0; run < runs; run++) {
    submits = 0;
    const before = process.cpuUsage();
    await answers(streams);
    const { user, system } = process.cpuUsage(before);
    us.push((user + system) / (streams * tokens));
    made = submits;
  }
  const { median, min } = summarise(us);
  console.log(`${String(streams).padStart(3)} streams: ${median.toFixed(1)} us a token (least ${min.toFixed(1)}), ` +
    `${((median * streams * tokens) / made).toFixed(0)} a submit of ${((streams * tokens) / made).toFixed(1)} tokens`);
}
await model.dispose();

/** Prompts are random, so that none begins like another. */
async function answers(streams) {
  const run = async (stream) => {
    const ids = randomIds(PROMPT_TOKENS, { seed: 1 + stream, vocabSize: model.info.vocabSize });
    for await (const _ of model.generate({ ids, maxTokens: tokens, ignoreEos: true, seed: stream, ...JSON.parse(flags.sampling) }));
  };
  await Promise.all(Array.from({ length: streams }, (_, stream) => run(stream)));
}

/** A program of these graphs that gives the next of a list of tokens, or logits of one row that stay as they are. */
function programOf(graphs) {
  const vocab = 4096;
  const logits = Float32Array.from({ length: 64 * vocab }, (_, i) => Math.sin(i * 12.9898) * 4);
  let last = 0;
  const later = (value) => new Promise((resolve) => { setImmediate(resolve, value); });
  const chooser = {
    mostSequences: 64, mostSteps: steps,
    open: () => 0, close() {}, prepare: () => undefined,
    submit: async ({ sequences, steps: count }) => {
      submits++;
      const next = () => (last = (last * 31 + 7) % 4000);
      const chosen = sequences.map(({ wanted }) => ({
        tokens: wanted === 'token' ? Array.from({ length: count }, next) : [], logits: undefined, error: undefined,
      }));
      return { results: later(chosen) };
    },
  };
  return {
    model: graphs, chooser: flags.logits ? undefined : chooser,
    limits: () => ({ rows: 512, outRows: 64 }),
    ensurePages() {}, ensureSlots() {}, copySlot() {}, snapshotSlot: async () => new Uint8Array(), restoreSlot() {},
    async run(list) {
      submits++;
      const ofRows = ({ outRows = 0 }) => logits.subarray(0, outRows * vocab);
      return later(list.map(({ wanted, dims }) => new Map(wanted.map((name) => [name, ofRows(dims)]))));
    },
    memory: { weightBytes: 0, kvBytes: 0, workBytes: 0 }, printPlan: () => '', dispose: async () => {},
  };
}
