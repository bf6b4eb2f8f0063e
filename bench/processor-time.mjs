// Processor time of decoded and of prompt tokens of several files on the CPU, in turns, one process: what a machine that others use
// can still tell.
// node bench/processor-time.mjs A.gguf B.gguf ... [--threads 1] [--runs 5] [--decode 16] [--prompt 512] [--out FILE]
// Bytes are the weights that a token reads (of experts, those it goes to); a rate is per second of processor time of all threads together.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';

const { values, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' }, runs: { type: 'string', default: '5' }, decode: { type: 'string', default: '16' },
    prompt: { type: 'string', default: '512' }, out: { type: 'string' },
  },
});
if (paths.length === 0) throw new Error('which GGUF files? node bench/processor-time.mjs A.gguf B.gguf');
const { loadModel } = await import('../dist/node/index.js');
const { describeCommit, describeMachine } = await import('../dist/bench/machine.js');
const { readModelWork } = await import('../dist/bench/model-work.js');
const { randomIds } = await import('../dist/bench/workloads.js');

const [threads, runs, decoded, prompt] = [values.threads, values.runs, values.decode, values.prompt].map(Number);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const rounded = (number) => Math.round(number * 100) / 100;

/** Milliseconds of processor time, for the prompt up to the first token, and for those after it. */
async function timesOf(model, ids, maxTokens) {
  const begin = process.cpuUsage();
  let first;
  const options = { ids, maxTokens, ignoreEos: true, temperature: 0, cachePrompt: false };
  for await (const _ of model.generate(options)) first ??= process.cpuUsage(begin);
  const all = process.cpuUsage(begin);
  const ms = ({ user, system }) => (user + system) / 1000;
  return { prompt: ms(first), rest: ms(all) - ms(first) };
}

const contestants = [];
for (const path of paths) {
  const work = await readModelWork(path, new AbortController().signal);
  contestants.push({ path, work, model: await loadModel(path, { device: 'cpu', contextLength: 1024, threads }), decode: [], prefill: [] });
}
for (let run = 0; run <= runs; run++) {
  for (const { model, work, decode, prefill } of contestants) {
    const short = await timesOf(model, randomIds(16, { seed: run, vocabSize: work.vocabSize }), decoded + 1);
    const long = await timesOf(model, randomIds(prompt, { seed: 100 + run, vocabSize: work.vocabSize }), 1);
    // The first run warms up.
    if (run === 0) continue;
    decode.push(rounded(short.rest / decoded));
    prefill.push(rounded(long.prompt / prompt));
  }
}
const common = { time: new Date().toISOString(), commit: await describeCommit(), machine: describeMachine(), load: loadavg(), threads };
for (const { path, work, model, decode, prefill } of contestants) {
  const line = {
    ...common, model: basename(path), decoded, prompt, decodeMs: decode, prefillMs: prefill, weightBytes: work.weightBytes,
    rowMultiplyAdds: work.rowMultiplyAdds, gigabytesPerSecond: rounded(work.weightBytes / median(decode) / 1e6),
    gigaMultiplyAddsPerSecond: rounded(work.rowMultiplyAdds / median(prefill) / 1e6),
  };
  if (values.out !== undefined) appendFileSync(values.out, `${JSON.stringify(line)}\n`);
  process.stdout.write(`${JSON.stringify(line)}\n`);
  await model.dispose();
}
