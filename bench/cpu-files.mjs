// Decode of several files on the CPU, alternating in one run: what a quantisation costs in bytes per second.
// node bench/cpu-files.mjs A.gguf B.gguf ... [--threads 2] [--runs 5] [--pause 3] [--tokens 128]
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { alternate, describeCommit, describeMachine, describeModel, packageVersion, randomIds, record, repoRoot, summarise } from './measurement.mjs';

const { values, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
    pause: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '128' },
    out: { type: 'string', default: join(repoRoot, 'bench', 'results', 'cpu-files.jsonl') },
  },
});
if (paths.length === 0) throw new Error('which GGUF files? node bench/cpu-files.mjs A.gguf B.gguf');
await build();
const { loadModel } = await import('../dist/node/index.js');
const settings = { threads: Number(values.threads), contextLength: 1024 };
const protocol = { runs: Number(values.runs), pauseMs: Number(values.pause) * 1000 };
const count = Number(values.tokens);

const models = new Map();
for (const path of paths) models.set(path, await loadModel(path, { device: 'cpu', ...settings }));

/** Tokens per second of `count` steps after a prompt of 128. */
async function decode(model, run) {
  const ids = randomIds(128, run + 2).map((id) => id % (model.info.vocabSize - 64));
  for await (const piece of model.generate({ ids, maxTokens: count + 1, temperature: 0, ignoreEos: true })) {
    if (piece.finishReason) return piece.timings.decodeTokensPerSecond;
  }
  throw new Error('the generation did not end');
}

const contestants = Object.fromEntries(paths.map((path) => [path, (run) => decode(models.get(path), run)]));
const measured = await alternate(contestants, protocol);
const common = { commit: describeCommit(), machine: describeMachine() };
for (const [path, runs] of Object.entries(measured)) {
  const summary = summarise(runs);
  const { memory, deviceDescription } = models.get(path).info;
  const gigabytesPerSecond = (summary.median * memory.weightBytes) / 1e9;
  record(values.out, {
    ...common, model: await describeModel(path), measure: `decode ${count}@128`, unit: 'tok/s',
    engine: { name: 'ingot', version: packageVersion(repoRoot), device: deviceDescription },
    flags: settings, warmups: 1, pauseSeconds: protocol.pauseMs / 1000, runs, ...summary, gigabytesPerSecond,
  });
  process.stdout.write(`${basename(path).padEnd(28)} ${summary.median.toFixed(1)} tok/s (${summary.min.toFixed(1)}-${summary.max.toFixed(1)})  ${gigabytesPerSecond.toFixed(1)} GB/s of weights\n`);
}
for (const model of models.values()) await model.dispose();
