// Decode of several files on the CPU, alternating in one run: what a quantisation costs in bytes per second.
// node bench/cpu-files.mjs A.gguf B.gguf ... [--threads 2] [--runs 5] [--pause 3] [--tokens 128]
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';

const { values, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
    pause: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '128' },
    out: { type: 'string', default: new URL('./results/cpu-files.jsonl', import.meta.url).pathname },
  },
});
if (paths.length === 0) throw new Error('which GGUF files? node bench/cpu-files.mjs A.gguf B.gguf');
await build();
const { ingotEngine } = await import('../dist/bench/engines/ingot-engine.js');
const { describeCommit, describeMachine, describeModel } = await import('../dist/bench/machine.js');
const { readModelWork } = await import('../dist/bench/model-work.js');
const { randomIds } = await import('../dist/bench/workloads.js');
const { alternate, summarise, WARMUPS } = await import('../dist/bench/statistics.js');

const { signal } = new AbortController();
const flags = { threads: Number(values.threads), contextLength: 1024 };
const count = Number(values.tokens);
const contestants = [];
for (const modelPath of paths) {
  const work = await readModelWork(modelPath, signal);
  const engine = await ingotEngine.open({ modelPath, device: 'cpu', ...flags });
  contestants.push({
    name: modelPath,
    engine,
    work,
    run: (seed) => engine.decode(randomIds(128, { seed, vocabSize: work.vocabSize }), count),
  });
}

const measured = await alternate(contestants, {
  runs: Number(values.runs), pauseMs: Number(values.pause) * 1000, signal,
  onFailure: (_, error) => {
    throw error;
  },
});
const common = { time: new Date().toISOString(), commit: await describeCommit(), machine: describeMachine() };
for (const { name, engine, work } of contestants) {
  const runs = measured.get(name);
  const summary = summarise(runs);
  const gigabytesPerSecond = (summary.median * work.weightBytes) / 1e9;
  const line = {
    ...common,
    model: await describeModel(name, signal),
    measure: `decode ${count}@128`,
    unit: 'tok/s',
    engine: { name: 'ingot', ...engine.facts },
    flags,
    warmups: WARMUPS,
    pauseSeconds: Number(values.pause),
    runs,
    ...summary,
    gigabytesPerSecond,
  };
  appendFileSync(values.out, `${JSON.stringify(line)}\n`);
  process.stdout.write(
    `${basename(name).padEnd(28)} ${summary.median.toFixed(1)} tok/s (${summary.min.toFixed(1)}-${summary.max.toFixed(1)})  ` +
      `${gigabytesPerSecond.toFixed(1)} GB/s of weights\n`,
  );
  await engine.close();
}
