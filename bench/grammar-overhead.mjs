/**
 * What a format costs while decoding: answers that obey one beside free answers of as many tokens, alone and together, in turns.
 * node bench/grammar-overhead.mjs [MODEL.gguf] [--device cpu|gpu|software] [--streams 1,8] [--tokens 128]
 *   [--runs 5] [--threads N] [--formats records,texts] [--masks host] [--beside] [--top-k 40] [--json FILE]
 * `--masks host`: answers with a format have a banned text too, so that the device does not follow their grammars by itself, and no text
 * is added. `--beside`: of several streams every second one is free in both measurements.
 * A line a format and number of streams: milliseconds a token of both (wall time of the whole call over its tokens, prompts of 64 tokens
 * included in both; on the CPU also processor time), the overhead, how many answers were cut. Needs a build.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadModel } from '../dist/node/index.js';
import { randomIds } from '../dist/bench/workloads.js';
import { summarise } from './measurement.mjs';

const { values: flags, positionals: [path = 'models/ember-21m-q4_0.gguf'] } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cpu' },
    streams: { type: 'string', default: '1,8' },
    tokens: { type: 'string', default: '128' },
    runs: { type: 'string', default: '5' },
    threads: { type: 'string' },
    formats: { type: 'string' },
    masks: { type: 'string' },
    beside: { type: 'boolean', default: false },
    'top-k': { type: 'string', default: '40' },
    json: { type: 'string' },
  },
});
const [tokens, runs, topK] = [flags.tokens, flags.runs, flags['top-k']].map(Number);
const streamCounts = flags.streams.split(',').map(Number);
const PROMPT_TOKENS = 64;

const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) });
const text = (maxLength) => ({ type: 'string', maxLength });
const list = (items) => ({ type: 'schema', schema: { type: 'array', minItems: 60, items } });
const FORMATS = {
  records: list(object({
    name: text(24), kind: { enum: ['alpha', 'beta', 'gamma'] }, count: { type: 'integer', minimum: 0, maximum: 999 },
      ok: { type: 'boolean' },
  })),
  texts: list(text(200)),
  numbers: list({ type: 'number', minimum: 0, maximum: 1 }),
  expression: { type: 'regex', pattern: '(?:[A-Z][a-z]{2,9} \\d{1,3}; ){80}' },
  digits: { type: 'regex', pattern: '[0-9]{1000}' },
  letters: { type: 'regex', pattern: '[a-z]{1999}' },
};

const model = await loadModel(path, {
  device: flags.device, contextLength: PROMPT_TOKENS + tokens + 64, maxConcurrent: Math.max(...streamCounts),
  ...(flags.threads === undefined ? {} : { threads: Number(flags.threads) }),
});
for (const streams of streamCounts) {
  for (const [name, format] of Object.entries(FORMATS)) {
    if (flags.formats?.split(',').includes(name) === false) continue;
    await answers(streams, format, 0);
    await answers(streams, undefined, 0);
    const [free, bound] = [[], []];
    for (let run = 1; run <= runs; run++) {
      bound.push(await answers(streams, format, run));
      free.push(await answers(streams, undefined, run));
    }
    report(name, streams, { free, bound });
  }
}
await model.dispose();

function report(name, streams, { free, bound }) {
  const of = (calls, key) => summarise(calls.map((call) => call[key])).median;
  const overhead = (key) => Number((100 * (of(bound, key) / of(free, key) - 1)).toFixed(1));
  const figures = {
    bench: 'grammar-overhead', model: model.info.name, device: model.info.deviceDescription, vocabSize: model.info.vocabSize,
      format: name, streams, tokens, runs, masks: flags.masks ?? 'device', beside: flags.beside, topK,
    freeMs: of(free, 'ms'), formatMs: of(bound, 'ms'), overheadPercent: overhead('ms'),
    freeProcessorMs: of(free, 'processorMs'), formatProcessorMs: of(bound, 'processorMs'),
      processorOverheadPercent: overhead('processorMs'),
    cut: bound.reduce((sum, { cut }) => sum + cut, 0), answers: streams * runs,
  };
  const both = (key) => `${figures[`free${key}`].toFixed(3)} ms a token free, ${figures[`format${key}`].toFixed(3)} with the format`;
  console.log(`${name.padEnd(10)} ${String(streams).padStart(2)} streams: ${both('Ms')}: ${figures.overheadPercent}%; ` +
    `processor ${both('ProcessorMs')}: ${figures.processorOverheadPercent}%`);
  if (flags.json !== undefined) appendFileSync(flags.json, `${JSON.stringify(figures)}\n`);
}

/** Prompts are random, so that none begins like another. */
async function answers(streams, format, seed) {
  let made = 0;
  let cut = 0;
  const run = async (stream) => {
    const ids = randomIds(PROMPT_TOKENS, { seed: 1 + stream + 100 * seed, vocabSize: model.info.vocabSize });
    const isFree = format === undefined || (flags.beside && stream % 2 === 1);
    const ofHost = flags.masks === 'host' ? { bannedTexts: ['\u0007'] } : {};
    const options = isFree ? { ignoreEos: true } : { format, ...ofHost };
    for await (const piece of model.generate({ ids, maxTokens: tokens, temperature: 0.8, topK, seed: stream, cachePrompt: false,
      ...options })) {
      made += piece.tokens.length;
      if (piece.finishReason === 'length') cut++;
    }
  };
  const [from, before] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: streams }, (_, stream) => run(stream)));
  const { user, system } = process.cpuUsage(before);
  return { ms: (performance.now() - from) / made, processorMs: (user + system) / 1000 / made, cut };
}
