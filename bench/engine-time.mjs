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
import { programWithoutDevice } from './program-without-device.mjs';

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

const program = { mostSteps: steps, hasChooser: !flags.logits, onSubmit: () => submits++ };
const model = await createModel({
  checkpoint: await openCheckpoint(await locate(path)),
  executor: { kind: 'cpu', description: 'nothing', load: async ({ model: graphs }) => programWithoutDevice(graphs, program) },
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
