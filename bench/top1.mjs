// How often Ingot and llama.cpp choose the same next token: synthetic files of real shapes, 64 positions of random token ids.
// node bench/top1.mjs [--models qwen3-0.6b,llama-3.2-1b] [--type q4_0] [--positions 64] [--device cpu|gpu] [--layers 5] [--model-dir DIR]
// [--out FILE]
// On a GPU both run there, llama.cpp by Vulkan from peers/gpu, and what is built is taken as it is.
//
// Both read the same file and the same ids, in one pass, with keys and values in f32; each position's best logit is compared. Where the two
// differ, `leads` says by how much Ingot's best leads llama.cpp's choice in Ingot's own logits, in standard deviations of that position's
// logits: random weights make near ties, and both round activations to 8 bits, each in its own order of sums. `chance` is the agreement of
// Ingot's choices with llama.cpp's of the position before, which says what equal but meaningless choices would give.
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'qwen3-0.6b,llama-3.2-1b' },
    type: { type: 'string', default: 'q4_0' },
    positions: { type: 'string', default: '64' },
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    layers: { type: 'string' },
    'model-dir': { type: 'string', default: join(tmpdir(), 'ingot-top1') },
    out: { type: 'string', default: new URL('./results/top1.jsonl', import.meta.url).pathname },
  },
});
const onGpu = values.device === 'gpu';
if (!onGpu) await (await import('../scripts/build.mjs')).build();
const { loadModel } = await import('../dist/node/load-model.js');
const { synthFile } = await import('../dist/node/synth.js');
const { describeCommit, describeMachine, describeModel } = await import('../dist/bench/machine.js');
const { randomIds } = await import('../dist/bench/workloads.js');
const { getLlama, LlamaLogLevel } = await import(`../peers/${onGpu ? 'gpu/' : ''}node_modules/node-llama-cpp/dist/index.js`);

const { signal } = new AbortController();
const positions = Number(values.positions);
const threads = Number(values.threads);
const contextLength = Math.max(256, positions);

/** Index of the greatest of the values. */
function best(logits) {
  let found = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[found]) found = i;
  return found;
}

function deviation(logits) {
  let sum = 0;
  let squares = 0;
  for (const value of logits) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / logits.length;
  return Math.sqrt(squares / logits.length - mean * mean);
}

/** The logits of every position: rows of the vocabulary's size. */
async function ingotRows(modelPath) {
  const model = await loadModel(modelPath, { device: values.device, ...(onGpu ? {} : { threads }), contextLength, kvType: 'f32' });
  try {
    const { vocabSize } = model.info;
    const ids = randomIds(positions, { seed: Number(values.seed), vocabSize });
    const logits = await model.forward(ids);
    const rows = Array.from(ids, (_, i) => logits.subarray(i * vocabSize, (i + 1) * vocabSize));
    return { ids, rows, device: model.info.deviceDescription };
  } finally {
    await model.dispose();
  }
}

/** llama.cpp's greedy choice after each of the ids. */
async function llamaChoices(modelPath, ids) {
  const llama = await getLlama({
    gpu: onGpu ? 'vulkan' : false, build: 'never', skipDownload: true, progressLogs: false, maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath, gpuLayers: onGpu ? 'max' : 0 });
  const context = await model.createContext({
    contextSize: contextLength, threads, flashAttention: false, experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32',
  });
  const items = Array.from(ids, (id) => [id, { generateNext: { token: true, options: { temperature: 0 } } }]);
  const results = await context.getSequence().controlledEvaluate(items);
  const { release } = llama.llamaCppRelease;
  await context.dispose();
  await model.dispose();
  await llama.dispose();
  return { choices: results.map(({ next }) => next.token), release };
}

mkdirSync(values['model-dir'], { recursive: true });
const common = { time: new Date().toISOString(), commit: await describeCommit(), machine: describeMachine() };
for (const name of values.models.split(',')) {
  const layers = values.layers === undefined ? undefined : Number(values.layers);
  const file = layers === undefined ? `${name}-${values.type}.gguf` : `${name}-${layers}-layers-${values.type}.gguf`;
  const modelPath = join(values['model-dir'], file);
  if (!existsSync(modelPath)) await synthFile(modelPath, { model: name, type: values.type, layers });
  const { ids, rows, device } = await ingotRows(modelPath);
  const { choices, release } = await llamaChoices(modelPath, ids);
  const ours = rows.map(best);
  const agree = ours.filter((id, i) => id === choices[i]).length;
  const chance = ours.filter((id, i) => id === choices[i - 1]).length;
  const leads = rows.flatMap((row, i) =>
    ours[i] === choices[i] ? [] : [Number(((row[ours[i]] - row[choices[i]]) / deviation(row)).toFixed(4))],
  );
  const line = {
    ...common, model: await describeModel(modelPath, signal), measure: `top-1 agreement over ${positions} positions`, unit: 'positions',
    engine: { name: 'ingot', device }, against: { name: 'llama.cpp', release },
    flags: { threads, kvType: 'f32', seed: Number(values.seed), ...(layers !== undefined && { layers }) },
    agree, positions, chance, leads,
  };
  appendFileSync(values.out, `${JSON.stringify(line)}\n`);
  process.stdout.write(`${name.padEnd(16)} ${agree} of ${positions} (chance ${chance}); leads where not: ${leads.join(' ') || 'none'}\n`);
}
