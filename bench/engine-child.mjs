// One engine in a process of its own: answers { id, command, ... } messages from the benchmark with { id, value | error }.
// argv: ENGINE MODEL SETTINGS_JSON, where ENGINE is ingot, node-llama-cpp or read-file.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repoRoot } from './measurement.mjs';

const [engine, modelPath, settingsJson] = process.argv.slice(2);
const settings = JSON.parse(settingsJson);
const importFrom = (...path) => import(pathToFileURL(join(repoRoot, ...path)).href);

async function openIngot() {
  const { loadModel, loadTokenizer } = await importFrom('dist', 'node', 'index.js');
  const startMs = performance.now();
  const model = await loadModel(modelPath, { device: 'cpu', threads: settings.threads, contextLength: settings.contextLength });
  const loadMs = performance.now() - startMs;
  const generate = async (ids, maxTokens) => {
    let last;
    for await (const piece of model.generate({ ids, maxTokens, temperature: 0, ignoreEos: true })) last = piece;
    if (last.usage.cachedTokens !== 0) throw new Error(`${last.usage.cachedTokens} prompt tokens came from a cache; a prefill would look too fast`);
    if (last.usage.completionTokens !== maxTokens) throw new Error(`${last.usage.completionTokens} tokens came instead of ${maxTokens}`);
    return last.timings;
  };
  return {
    loaded: () => ({ loadMs, info: model.info }),
    tokenizerMs: async () => {
      const tokenizerStartMs = performance.now();
      await loadTokenizer(modelPath);
      return performance.now() - tokenizerStartMs;
    },
    prefill: async ({ ids }) => ids.length / ((await generate(ids, 1)).prefillMs / 1000),
    decode: async ({ ids, count }) => count / ((await generate(ids, count + 1)).decodeMs / 1000),
    memory: () => model.info.memory,
    close: () => model.dispose(),
  };
}

async function openLlama() {
  const { getLlama } = await importFrom('peers', 'node_modules', 'node-llama-cpp', 'dist', 'index.js');
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: settings.threads, logLevel: 'error' });
  const startMs = performance.now();
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: settings.contextLength, batchSize: 512, threads: settings.threads, flashAttention: true });
  const loadMs = performance.now() - startMs;
  const sequence = context.getSequence();
  return {
    loaded: () => ({ loadMs, info: { flashAttention: context.flashAttention, batchSize: context.batchSize, threads: context.currentThreads } }),
    prefill: async ({ ids }) => {
      await sequence.clearHistory();
      const prefillStartMs = performance.now();
      await sequence.evaluateWithoutGeneratingNewTokens(ids);
      return ids.length / ((performance.now() - prefillStartMs) / 1000);
    },
    decode: async ({ ids, count }) => {
      await sequence.clearHistory();
      let produced = 0;
      let firstMs = 0;
      for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        if (produced === 0) firstMs = performance.now();
        produced += 1;
        if (produced === count + 1) break;
      }
      if (produced !== count + 1) throw new Error(`${produced} tokens came instead of ${count + 1}`);
      return count / ((performance.now() - firstMs) / 1000);
    },
    close: () => model.dispose(),
  };
}

/** The floor of any load: the file's bytes read into memory that threads can share. */
function openReadFile() {
  const startMs = performance.now();
  const file = openSync(modelPath, 'r');
  const { size } = fstatSync(file);
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  for (let offset = 0; offset < size;) offset += readSync(file, bytes, offset, Math.min(16 << 20, size - offset), offset);
  closeSync(file);
  const loadMs = performance.now() - startMs;
  return { loaded: () => ({ loadMs, info: { lastByte: bytes[size - 1] } }), close: () => undefined };
}

const open = { ingot: openIngot, 'node-llama-cpp': openLlama, 'read-file': openReadFile }[engine];
try {
  const commands = await open();
  commands.maxRssBytes = () => process.resourceUsage().maxRSS * 1024;
  process.on('message', async ({ id, command, ...args }) => {
    try {
      process.send({ id, value: (await commands[command](args)) ?? null });
    } catch (error) {
      process.send({ id, error: error.message });
    }
    if (command === 'close') process.disconnect();
  });
  process.send({ id: 0, value: commands.loaded() });
} catch (error) {
  process.send({ id: 0, error: error.stack });
  process.exitCode = 1;
}
