/**
 * What the engine costs the host for a token: processor time of this process while a program that computes nothing, and so takes no time,
 * gives tokens (as a GPU's does) or logits (as the CPU's) to some answers at once. Usage: node bench/engine-time.mjs [MODEL.gguf]
 *   [--streams 1,16,64] [--tokens 256] [--runs 5] [--steps 4] [--logits] [--sampling '{"temperature":0.8,"topK":40}']
 *   [--format '{"type":"json"}'] (tokens are then among those that the format allows, and answers may end early)
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
    format: { type: 'string' },
  },
});
const [tokens, runs, steps] = [flags.tokens, flags.runs, flags.steps].map(Number);
const streamCounts = flags.streams.split(',').map(Number);
const PROMPT_TOKENS = 64;
let submits = 0;
let given = 0;

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
    [submits, given] = [0, 0];
    const before = process.cpuUsage();
    await answers(streams);
    const { user, system } = process.cpuUsage(before);
    us.push((user + system) / given);
    made = submits;
  }
  const { median, min } = summarise(us);
  console.log(`${String(streams).padStart(3)} streams: ${median.toFixed(1)} us a token (least ${min.toFixed(1)}), ` +
    `${((median * given) / made).toFixed(0)} a submit of ${(given / made).toFixed(1)} tokens`);
}
await model.dispose();

/** Prompts are random, so that none begins like another. */
async function answers(streams) {
  const run = async (stream) => {
    const ids = randomIds(PROMPT_TOKENS, { seed: 1 + stream, vocabSize: model.info.vocabSize });
    const end = flags.format === undefined ? { ignoreEos: true } : { format: JSON.parse(flags.format) };
    const options = { ids, maxTokens: tokens, seed: stream, ...end, ...JSON.parse(flags.sampling) };
    for await (const piece of model.generate(options)) given += piece.tokens.length;
  };
  await Promise.all(Array.from({ length: streams }, (_, stream) => run(stream)));
}

/** A program of these graphs that gives the next of a list of tokens, or logits of one row that stay as they are. */
function programOf(graphs) {
  const vocab = 4096;
  const logits = Float32Array.from({ length: 64 * vocab }, (_, i) => Math.sin(i * 12.9898) * 4);
  let last = 0;
  /** A token of a mask, from one word to the next. */
  const allowed = (mask) => {
    for (let i = 0, word = (last = (last * 31 + 7) % mask.length); i < mask.length; i++, word = (word + 1) % mask.length)
      if (mask[word] !== 0) return word * 32 + 31 - Math.clz32(mask[word]);
    return 0;
  };
  const later = (value) => new Promise((resolve) => { setImmediate(resolve, value); });
  const chooser = {
    mostSequences: 64, mostSteps: steps,
    open: () => 0, close() {}, prepare: () => undefined,
    submit: async ({ sequences, steps: count }) => {
      submits++;
      const next = () => (last = (last * 31 + 7) % 4000);
      const chosen = (masks) => sequences.map(({ wanted }, i) => ({
        tokens: wanted === 'token' ? Array.from({ length: count }, () => (masks?.[i] === undefined ? next() : allowed(masks[i]))) : [],
        logits: undefined, error: undefined,
      }));
      if (!sequences.some(({ isMasked }) => isMasked)) return { results: later(chosen()) };
      let choose;
      const results = new Promise((resolve) => (choose = (masks) => resolve(later(chosen(masks)))));
      return { results, choose };
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
