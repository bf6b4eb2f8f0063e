/** llama.cpp through node-llama-cpp, with its best settings: flash attention, all layers on the device, either of two batch sizes. */
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ownMemory, warmed } from '../engine.ts';
import type { Conversation, Engine, EngineSettings, OpenEngine, TurnTimes } from '../engine.ts';
import { packageRoot, packageVersion } from '../../node/package-root.ts';

/** The private packages that may hold it: the one with its GPU build first. */
const FOLDERS = ['peers/gpu/node_modules/node-llama-cpp', 'peers/node_modules/node-llama-cpp'];
export const LLAMA_BATCH_SIZES = [512, 2048] as const;

const SYSTEMS: Readonly<Record<string, string>> = { darwin: 'mac', win32: 'win' };

/** Whether the package is there as a whole: it has its builds for each system in packages of their own, which may be missing. */
export function isWholePackage(folder: string): boolean {
  const builds = join(folder, '..', '@node-llama-cpp');
  if (!existsSync(join(folder, 'dist', 'index.js')) || !existsSync(builds)) return false;
  const own = `${SYSTEMS[process.platform] ?? process.platform}-${process.arch}`;
  return readdirSync(builds).some((name) => name.startsWith(own) && existsSync(join(builds, name, 'bins')));
}

/** The first of `paths` (relative to the package) that there is. */
function firstPresent(paths: readonly string[]): string | undefined {
  return paths.map((path) => join(packageRoot, path)).find(isWholePackage);
}

interface LlamaSequence {
  readonly nextTokenIndex: number;
  evaluate(ids: readonly number[], options: object): AsyncGenerator<number>;
  evaluateWithoutGeneratingNewTokens(ids: readonly number[]): Promise<void>;
  clearHistory(): Promise<void>;
}
interface LlamaContext {
  readonly flashAttention: boolean;
  readonly batchSize: number;
  readonly currentThreads: number;
  readonly contextSize: number;
  /** Of the package's GgmlType. */
  readonly kvCacheKeyType: number;
  readonly kvCacheValueType: number;
  getSequence(): LlamaSequence;
}
interface LlamaModel {
  readonly gpuLayers: number;
  createContext(options: object): Promise<LlamaContext>;
  dispose(): Promise<void>;
}
interface Llama {
  readonly gpu: string | false;
  readonly llamaCppRelease: { readonly release: string };
  getGpuDeviceNames(): Promise<string[]>;
  loadModel(options: object): Promise<LlamaModel>;
  dispose(): Promise<void>;
}
interface LlamaPackage {
  getLlama(options: object): Promise<Llama>;
  readonly LlamaLogLevel: { readonly error: unknown };
  /** Names by number. */
  readonly GgmlType: Readonly<Record<number, string>>;
}

export const llamaEngine: Engine = {
  name: 'llama.cpp',
  workloads: ['prefill', 'decode', 'ttft', 'load', 'turns', 'drift', 'busy'],
  batchSizes: LLAMA_BATCH_SIZES,
  problem({ modelPath }) {
    if (!modelPath.toLowerCase().endsWith('.gguf')) return 'it reads GGUF files only';
    return firstPresent(FOLDERS) === undefined
      ? 'node-llama-cpp is not installed: run "npm ci --ignore-scripts" in peers/ (for its GPU build on Linux, in peers/gpu/) of a clone'
      : undefined;
  },
  build: (settings) => packageVersion(firstPresent(foldersFor(settings))),
  open: async (settings) => {
    const folder = firstPresent(foldersFor(settings))!;
    const { getLlama, LlamaLogLevel, GgmlType } = (await import(pathToFileURL(join(folder, 'dist', 'index.js')).href)) as LlamaPackage;
    const onGpu = settings.device === 'gpu';
    const gpu = onGpu ? (settings.backend ?? 'auto') : false;
    const threads = settings.threads ?? availableParallelism();
    const llama = await getLlama({
      gpu,
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      maxThreads: threads,
      logLevel: LlamaLogLevel.error,
    });
    if (onGpu && llama.gpu === false) throw new Error(`node-llama-cpp in ${folder} has no GPU build that works here`);
    const model = await llama.loadModel({ modelPath: settings.modelPath, gpuLayers: onGpu ? 'max' : 0 });
    const context = await model.createContext({
      contextSize: settings.contextLength,
      batchSize: settings.batchSize ?? LLAMA_BATCH_SIZES[0],
      flashAttention: true,
      ...(onGpu ? {} : { threads }),
    });
    const names = onGpu ? await llama.getGpuDeviceNames() : [];
    return openEngine({ llama, model, context, version: packageVersion(folder), kv: kvTypeOf(context, GgmlType), names });
  },
};

function kvTypeOf({ kvCacheKeyType: keys, kvCacheValueType: values }: LlamaContext, names: LlamaPackage['GgmlType']): string {
  const nameOf = (type: number) => (names[type] ?? String(type)).toLowerCase();
  return keys === values ? nameOf(keys) : `${nameOf(keys)}/${nameOf(values)}`;
}

/** The GPU package's build has no entry for the CPU alone. */
function foldersFor({ device }: EngineSettings): readonly string[] {
  return device === 'gpu' ? FOLDERS : FOLDERS.toReversed();
}

interface LoadedLlama {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly context: LlamaContext;
  readonly version: string;
  /** Type of keys and values. */
  readonly kv: string;
  readonly names: readonly string[];
}

function openEngine({ llama, model, context, version, kv, names }: LoadedLlama): OpenEngine {
  const sequence = context.getSequence();
  const { flashAttention, batchSize, currentThreads: threads, contextSize: contextLength } = context;
  const backend = llama.gpu === false ? 'cpu' : llama.gpu;
  return {
    facts: {
      version: `${version} (llama.cpp ${llama.llamaCppRelease.release})`,
      device: names.length > 0 ? `${backend} (${names.join(', ')})` : `${backend} (${threads} threads)`,
      flags: { backend, gpuLayers: model.gpuLayers, batchSize, flashAttention, threads, contextLength, kv },
    },
    async prefill(ids) {
      await warmed(async () => {
        await sequence.clearHistory();
        await sequence.evaluateWithoutGeneratingNewTokens(ids.toReversed());
      });
      await sequence.clearHistory();
      const startMs = performance.now();
      await sequence.evaluateWithoutGeneratingNewTokens(ids);
      return (1000 * ids.length) / (performance.now() - startMs);
    },
    async firstToken(ids) {
      await sequence.clearHistory();
      return (await generate(sequence, ids, 1)).firstMs;
    },
    async decode(ids, count) {
      await sequence.clearHistory();
      await generate(sequence, ids.toReversed(), count + 1);
      await sequence.clearHistory();
      const { firstMs, lastMs } = await generate(sequence, ids, count + 1);
      return (1000 * count) / (lastMs - firstMs);
    },
    converse: (conversation) => converse(sequence, conversation),
    memory: ownMemory,
    async close() {
      await model.dispose();
      await llama.dispose();
    },
  };
}

async function generate(sequence: LlamaSequence, ids: readonly number[], count: number) {
  const startMs = performance.now();
  const tokens: number[] = [];
  let [firstMs, lastMs] = [0, 0];
  for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    lastMs = performance.now() - startMs;
    if (tokens.length === 1) firstMs = lastMs;
    if (tokens.length === count) break;
  }
  if (tokens.length !== count) throw new Error(`${tokens.length} tokens came instead of ${count}`);
  return { firstMs, lastMs, tokens };
}

async function converse(sequence: LlamaSequence, { turns, answerTokens, reusesPrefix }: Conversation): Promise<TurnTimes[]> {
  await sequence.clearHistory();
  const history: number[] = [];
  const times: TurnTimes[] = [];
  for (const ids of turns) {
    history.push(...ids);
    if (!reusesPrefix) await sequence.clearHistory();
    // The last token of an answer has been sampled but not yet computed.
    const { firstMs, lastMs, tokens } = await generate(sequence, history.slice(sequence.nextTokenIndex), answerTokens);
    history.push(...tokens);
    times.push({ firstMs, tokensPerSecond: lastMs > firstMs ? (1000 * (tokens.length - 1)) / (lastMs - firstMs) : undefined });
  }
  return times;
}
