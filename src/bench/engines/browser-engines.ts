/** Ingot, wllama (llama.cpp in WebAssembly), transformers.js and WebLLM (MLC by WebGPU), each in a page of a real browser. */
import { packageVersion } from '../../node/package-root.ts';
import type { Engine, EngineSettings, Entry, WorkloadName } from '../engine.ts';
import { browserProblem, openBrowser } from './browser-host.ts';
import { notInstalled, packageFolder, versionOf } from './installed-package.ts';
import { programBuild } from './installed-program.ts';
import { onnxProblem, onnxTypeIn, TRANSFORMERS } from './onnx-weights.ts';
import { wordsOf } from './remote-client.ts';
import type { RemoteAnswer, RemoteClient } from './remote-client.ts';
import { openRemote } from './remote-engine.ts';

interface PageEngine {
  readonly name: string;
  readonly workloads: readonly WorkloadName[];
  /** Undefined: this one. */
  readonly package: string | undefined;
  readonly module: string;
  /** Whether prompts are token ids; else they are words of a message. */
  readonly takesIds: boolean;
  /** What it cannot take. */
  problem(entry: Entry): string | undefined;
  /** What its page has to know beyond what all of them do. */
  options?(settings: EngineSettings): object;
}

const ingotPage: PageEngine = {
  name: 'ingot-page',
  workloads: ['prefill', 'decode', 'ttft', 'turns'],
  package: undefined,
  module: 'ingot-page',
  takesIds: true,
  problem: ({ modelPath }) => (modelPath.toLowerCase().endsWith('.gguf') ? undefined : 'its page is given one GGUF file'),
};

const wllama: PageEngine = {
  name: 'wllama',
  workloads: ['prefill', 'decode', 'ttft', 'turns'],
  package: '@wllama/wllama',
  module: 'wllama-page',
  takesIds: false,
  problem: ({ modelPath }) => (modelPath.toLowerCase().endsWith('.gguf') ? undefined : 'it reads GGUF files only'),
};

const transformersPage: PageEngine = {
  name: 'transformers.js-page',
  workloads: ['prefill', 'decode', 'ttft'],
  package: TRANSFORMERS,
  module: 'transformers-page',
  takesIds: true,
  problem: onnxProblem,
  options: ({ modelName }) => ({ dtype: onnxTypeIn(modelName as string) }),
};

/** Its weights are compiled for it, and fetched by the page. */
const webLlm: PageEngine = {
  name: 'web-llm',
  workloads: ['prefill', 'decode', 'ttft', 'turns'],
  package: '@mlc-ai/web-llm',
  module: 'web-llm-page',
  takesIds: false,
  problem: ({ modelName }) =>
    modelName === undefined
      ? 'say which of its models this is ("Qwen3-0.6B-q4f16_1-MLC"): "as" of the model, by the engine\'s title'
      : undefined,
};

const versionIn = ({ package: name }: PageEngine, packages: string | undefined) =>
  name === undefined ? packageVersion() : versionOf(packageFolder(name, packages) as string);

function engineOf(engine: PageEngine): Engine {
  return {
    name: engine.name,
    workloads: engine.workloads,
    batchSizes: [],
    problem(entry) {
      const { packages, program } = entry;
      const name = engine.package;
      if (name !== undefined && packageFolder(name, packages) === undefined) return notInstalled(name, packages);
      return browserProblem(packages, program) ?? engine.problem(entry);
    },
    build: ({ packages, program }) => [versionIn(engine, packages), programBuild(program)].filter(Boolean).join(', '),
    open: async (settings) => openRemote(await openPage(engine, settings)),
  };
}

export const browserEngines: readonly Engine[] = [ingotPage, wllama, transformersPage, webLlm].map(engineOf);

/** What a page says of itself when the model is loaded. */
interface PageFacts {
  readonly device: string;
  readonly flags: Readonly<Record<string, string | number | boolean>>;
}

async function openPage(engine: PageEngine, settings: EngineSettings): Promise<RemoteClient> {
  const { packages, program, modelPath, modelName, contextLength, threads, kvType, device, isIsolated = true } = settings;
  const isGpu = device === 'gpu';
  const host = await openBrowser({ module: engine.module, packages, program, modelPath, weightsPath: modelName, isGpu, isIsolated });
  try {
    const options = { modelName, contextLength, threads, kvType, isGpu, ...engine.options?.(settings) };
    const opened = (await host.call('open', options)) as PageFacts;
    let calls = 0;
    const next = () => ++calls;
    const ask = (asked: object): Promise<RemoteAnswer> => host.call('answer', asked);
    return {
      facts: {
        version: `${versionIn(engine, packages)} in ${host.version}`, device: opened.device,
        flags: { prompts: engine.takesIds ? 'ids' : 'words', isolated: host.isIsolated, ...opened.flags },
      },
      next,
      words: wordsOf,
      complete: (ids, maxTokens) =>
        ask(engine.takesIds ? { ids, maxTokens } : { messages: [{ role: 'user', content: `${next()} ${wordsOf(ids)}` }], maxTokens }),
      chat(messages, { maxTokens, schema }) {
        if (schema !== undefined) throw new Error('answers in a form are not asked of pages');
        return ask({ messages, maxTokens });
      },
      close: () => host.close(),
    };
  } catch (error) {
    await host.close();
    throw error;
  }
}
