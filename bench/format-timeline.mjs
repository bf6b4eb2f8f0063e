/**
 * Where a token with a format loses its time on a GPU, beside a free one: spans between the calls of the program's chooser.
 * node bench/format-timeline.mjs MODEL.gguf [--device hardware|software] [--formats free,numbers,records,texts] [--streams 1]
 *   [--tokens 256] [--runs 5]
 * A line a format: milliseconds a token, processor time a token, and medians of: encoding and submitting the forward; mask, choice and
 * their submit; from that to the tokens; from tokens to the next choice, and to the next forward. Needs a build.
 */
import { parseArgs } from 'node:util';
import { randomIds } from '../dist/bench/workloads.js';
import { createModel } from '../dist/engine/model.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { openGpuExecutor } from '../dist/node/gpu-executor.js';
import { locate } from '../dist/node/open-path.js';
import { summarise } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'hardware' },
    formats: { type: 'string', default: 'free,numbers,records,texts' },
    streams: { type: 'string', default: '1' },
    tokens: { type: 'string', default: '256' },
    runs: { type: 'string', default: '5' },
  },
});
const [streams, tokens, runs] = [flags.streams, flags.tokens, flags.runs].map(Number);
const PROMPT_TOKENS = 64;
const text = (maxLength) => ({ type: 'string', maxLength });
const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) });
const list = (items) => ({ type: 'schema', schema: { type: 'array', minItems: 60, items } });
const FORMATS = {
  free: undefined, texts: list(text(200)), numbers: list({ type: 'number', minimum: 0, maximum: 1 }),
  records: list(object({
    name: text(24), kind: { enum: ['alpha', 'beta', 'gamma'] }, count: { type: 'integer', minimum: 0, maximum: 999 },
    ok: { type: 'boolean' },
  })),
};

const spans = { forward: [], choice: [], choiceToTokens: [], tokensToChoice: [], tokensToForward: [] };
let arrivedAt;

const executor = await openGpuExecutor(flags.device);
if ('problem' in executor) throw new Error(executor.problem);
const model = await createModel({
  checkpoint: await openCheckpoint(await locate(path)),
  executor: { ...executor, load: async (request) => watched(await executor.load(request)) },
  contextLength: PROMPT_TOKENS + tokens + 64, maxConcurrent: streams,
});
for (const name of flags.formats.split(',')) {
  for (let warming = 0; warming < 3; warming++) await answers(name, 90 + warming);
  for (const key in spans) spans[key].length = 0;
  const [ms, processorMs] = [[], []];
  for (let run = 0; run < runs; run++) {
    const [from, before] = [performance.now(), process.cpuUsage()];
    const made = await answers(name, run);
    const { user, system } = process.cpuUsage(before);
    ms.push((performance.now() - from) / made);
    processorMs.push((user + system) / 1000 / made);
  }
  const median = (times) => (times.length === 0 ? '-' : summarise(times).median.toFixed(3));
  const parts = Object.entries(spans).map(([key, times]) => `${key} ${median(times)} (${times.length})`).join(', ');
  console.log(`${name}, ${streams} streams: ${median(ms)} ms a token, processor ${median(processorMs)}; ${parts}`);
}
await model.dispose();

/** Notes when the chooser is called, and when tokens come. */
function watched(program) {
  const { chooser } = program;
  const submit = chooser.submit.bind(chooser);
  chooser.submit = async (batch) => {
    const from = performance.now();
    if (arrivedAt !== undefined) spans.tokensToForward.push(from - arrivedAt);
    const { results, choose } = await submit(batch);
    spans.forward.push(performance.now() - from);
    let chosenAt;
    const timed = results.then((chosen) => {
      arrivedAt = performance.now();
      if (chosenAt !== undefined) spans.choiceToTokens.push(arrivedAt - chosenAt);
      return chosen;
    });
    timed.catch(() => {});
    if (choose === undefined) return { results: timed };
    const timedChoose = (masks) => {
      const at = performance.now();
      if (arrivedAt !== undefined) spans.tokensToChoice.push(at - arrivedAt);
      choose(masks);
      chosenAt = performance.now();
      spans.choice.push(chosenAt - at);
    };
    return { results: timed, choose: timedChoose };
  };
  return program;
}

/** Prompts are random, so that none begins like another. */
async function answers(name, seed) {
  let made = 0;
  arrivedAt = undefined;
  const format = FORMATS[name];
  const end = format === undefined ? { ignoreEos: true } : { format };
  await Promise.all(Array.from({ length: streams }, async (_, stream) => {
    const ids = randomIds(PROMPT_TOKENS, { seed: 1 + stream + 100 * seed, vocabSize: model.info.vocabSize });
    const options = { ids, maxTokens: tokens, temperature: 0.8, topK: 40, seed: stream, cachePrompt: false, ...end };
    for await (const piece of model.generate(options)) made += piece.tokens.length;
  }));
  return made;
}
