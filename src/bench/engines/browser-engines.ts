/** wllama (llama.cpp in WebAssembly) and WebLLM (MLC by WebGPU), each in a page of a real browser. */
import type { Engine, EngineSettings, Entry } from '../engine.ts';
import { browserProblem, openBrowser } from './browser-host.ts';
import { notInstalled, packageFolder, versionOf } from './installed-package.ts';
import { wordsOf } from './remote-client.ts';
import type { RemoteAnswer, RemoteClient } from './remote-client.ts';
import { openRemote } from './remote-engine.ts';

interface PageEngine {
  readonly name: string;
  readonly package: string;
  readonly module: string;
  /** What it cannot take. */
  problem(entry: Entry): string | undefined;
}

const wllama: PageEngine = {
  name: 'wllama',
  package: '@wllama/wllama',
  module: 'wllama-page',
  problem: ({ modelPath }) => (modelPath.toLowerCase().endsWith('.gguf') ? undefined : 'it reads GGUF files only'),
};

/** Its weights are compiled for it, and fetched by the page. */
const webLlm: PageEngine = {
  name: 'web-llm',
  package: '@mlc-ai/web-llm',
  module: 'web-llm-page',
  problem: ({ modelName }) =>
    modelName === undefined
      ? 'say which of its models this is ("Qwen3-0.6B-q4f16_1-MLC"): "as" of the model, by the engine\'s title'
      : undefined,
};

function engineOf(engine: PageEngine): Engine {
  return {
    name: engine.name,
    workloads: ['prefill', 'decode', 'ttft', 'turns'],
    batchSizes: [],
    problem(entry) {
      const { packages, program } = entry;
      if (packageFolder(engine.package, packages) === undefined) return notInstalled(engine.package, packages);
      return browserProblem(packages, program) ?? engine.problem(entry);
    },
    open: async (settings) => openRemote(await openPage(engine, settings)),
  };
}

export const browserEngines: readonly Engine[] = [wllama, webLlm].map(engineOf);

/** What a page says of itself when the model is loaded. */
interface PageFacts {
  readonly device: string;
  readonly flags: Readonly<Record<string, string | number | boolean>>;
}

async function openPage({ package: name, module }: PageEngine, settings: EngineSettings): Promise<RemoteClient> {
  const { packages, program, modelPath, modelName, contextLength, threads, device } = settings;
  const isGpu = device === 'gpu';
  const host = await openBrowser({ module, packages, program, modelPath, isGpu });
  try {
    const opened = (await host.call('open', { modelName, contextLength, threads, isGpu })) as PageFacts;
    let calls = 0;
    const next = () => ++calls;
    const ask = (messages: readonly object[], maxTokens: number): Promise<RemoteAnswer> => host.call('answer', { messages, maxTokens });
    return {
      facts: {
        version: `${versionOf(packageFolder(name, packages) as string)} in ${host.version}`, device: opened.device,
        flags: { prompts: 'words', ...opened.flags },
      },
      next,
      words: wordsOf,
      complete: (ids, maxTokens) => ask([{ role: 'user', content: `${next()} ${wordsOf(ids)}` }], maxTokens),
      chat(messages, { maxTokens, schema }) {
        if (schema !== undefined) throw new Error('answers in a form are not asked of pages');
        return ask(messages, maxTokens);
      },
      close: () => host.close(),
    };
  } catch (error) {
    await host.close();
    throw error;
  }
}
