/**
 * Two builds of the project on the same file, in turns, each turn in a process of its own: what a commit costs or gains.
 * Usage: node bench/two-builds.mjs --before DIST --after DIST --model FILE [--device gpu|cpu] [--turns N] [--threads N] [--context N]
 * A line of JSON a turn: decode tok/s of 128 tokens after 128, prefill tok/s of 512, each as runs and median, the processor time of a
 * token, and a sum of the greedy tokens, which says whether both compute the same.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const RUNS = 5;
const { values: options } = parseArgs({
  options: {
    before: { type: 'string' }, after: { type: 'string' }, model: { type: 'string' }, device: { type: 'string', default: 'gpu' },
    turns: { type: 'string', default: '3' }, threads: { type: 'string' }, one: { type: 'string' },
    context: { type: 'string', default: '4096' },
  },
});
const idsOf = (count, seed, vocab) =>
  Array.from({ length: count }, (_, i) => ((i * 7919 + seed * 104729) % Math.min(30000, vocab - 100)) + 100);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

async function generate(model, ids, maxTokens) {
  const tokens = [];
  let timings;
  for await (const piece of model.generate({ ids, maxTokens, ignoreEos: true, temperature: 0 })) {
    tokens.push(...piece.tokens);
    timings = piece.timings ?? timings;
  }
  return { tokens, timings };
}

async function measure(dist) {
  const { loadModel } = await import(pathToFileURL(resolve(dist, 'node', 'index.js')).href);
  const threads = options.threads === undefined ? {} : { threads: Number(options.threads) };
  const model = await loadModel(options.model, { device: options.device, contextLength: Number(options.context), ...threads });
  const { vocabSize } = model.info;
  const [decode, prefill, cpuUs] = [[], [], []];
  let sum = 7;
  for (let run = 0; run <= RUNS; run++) {
    const before = process.cpuUsage();
    const decoded = await generate(model, idsOf(128, 3 + run, vocabSize), 129);
    const used = process.cpuUsage(before);
    const { timings } = await generate(model, idsOf(512, 100 + run, vocabSize), 1);
    // The first run compiles and warms up.
    if (run === 0) continue;
    decode.push(Math.round(decoded.timings.decodeTokensPerSecond * 100) / 100);
    cpuUs.push(Math.round((used.user + used.system) / 129));
    prefill.push(Math.round((512_000 / timings.ttftMs) * 100) / 100);
    sum = decoded.tokens.reduce((total, token) => (total * 31 + token) % 1_000_003, 7);
  }
  const { deviceDescription, memory } = model.info;
  await model.dispose();
  return {
    decode: median(decode),
    decodeRuns: decode,
    prefill: median(prefill),
    prefillRuns: prefill,
    cpuUsOfToken: median(cpuUs),
    sum,
    deviceDescription,
    memory,
  };
}

if (options.one !== undefined) {
  console.log(JSON.stringify(await measure(options.one)));
} else {
  for (let turn = 0; turn < Number(options.turns); turn++) {
    // Whoever comes second finds a warmer machine.
    for (const build of turn % 2 === 0 ? ['before', 'after'] : ['after', 'before']) {
      const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--one', options[build]], {
        encoding: 'utf8',
      });
      if (child.status !== 0) throw new Error(`${build} ended with ${child.status}: ${child.stderr}`);
      console.log(JSON.stringify({ build, turn, ...JSON.parse(child.stdout) }));
    }
  }
}
