/** Programs of somebody else, in TypeScript, and the settings that they may have: the package's declarations must compile under each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repoRoot } from './repository.ts';

export interface Consumer {
  readonly file: string;
  readonly source: string;
  readonly needs: readonly ('dom' | 'node' | 'commonjs')[];
}

/** Uses what needs nothing of the platform, and every exported value. */
const core = `import * as ingot from 'ENTRY';
import type {
  AdapterFacts, ByteSource, Checkpoint, CheckpointLocation, CollectedAnswer, CpuExecutorOptions, CreateModelOptions, DeviceProfile,
  Executor, GpuDevice, GpuDeviceOptions, GpuExecutorOptions, HttpOptions, HttpRetry, KernelBytes, Model, ProgressEvent, SourceFolder,
  TensorEntry, ThreadHost, Tokenizer,
} from 'ENTRY';

export const all: typeof ingot = ingot;
export type Used = [
  AdapterFacts, Checkpoint, CheckpointLocation, CollectedAnswer, CreateModelOptions, DeviceProfile, GpuDeviceOptions,
  HttpOptions, HttpRetry, TensorEntry,
];

export async function ask(bytes: Uint8Array, onProgress: (event: ProgressEvent) => void): Promise<string> {
  const folder: SourceFolder = ingot.memoryFolder(new Map([['m.gguf', bytes]]), 'memory');
  const checkpoint = await ingot.openCheckpoint({ folder, fileName: 'm.gguf' });
  const executor: Executor = ingot.createReferenceExecutor();
  const model: Model = await ingot.createModel({ checkpoint, executor, onProgress });
  const tokenizer: Tokenizer = model.tokenizer;
  const maxTokens = tokenizer.encode('8').length;
  const answer = await ingot.collect(model.generate({ messages: [{ role: 'user', content: 'Hello' }], maxTokens }));
  for await (const piece of model.generate({ prompt: 'x' })) {
    const soFar: number | undefined = piece.usage?.completionTokens;
    if (piece.finishReason === undefined) continue;
    const whole: number = piece.usage.completionTokens + piece.seed + (soFar ?? 0);
    if (whole > 0) break;
  }
  await model.dispose();
  return answer.text;
}

export const source: Promise<ByteSource> = ingot.httpSource('https://example.com/m.gguf', {
  attempts: 2, onRetry: ({ reason, waitMs }) => void [reason.length, waitMs],
});
export const host: ThreadHost = {
  spawn: (code, data, { onMessage }) => ({
    keepAlive: (wanted) => onMessage([code, data, wanted]), terminate: () => Promise.resolve(),
  }),
};
export const cpu = (modules: KernelBytes): CpuExecutorOptions => ({ threads: 2, modules, threadHost: host });
export const bytes: KernelBytes = { plain: new Uint8Array(8), relaxed: new ArrayBuffer(8) };
export const gpu = (open: () => Promise<GpuDevice>): GpuExecutorOptions => ({
  open, name: 'a', kind: 'gpu', profile: ingot.profileFor({} as AdapterFacts),
});
export const isOurs = (error: unknown) =>
  error instanceof ingot.FormatError || error instanceof ingot.CapacityError || error instanceof ingot.InputError;
// @ts-expect-error: the options have types that refuse
export const bad1: CreateModelOptions['signal'] = 3;
// @ts-expect-error
export const bad2: HttpOptions = { fetch: 'x' };
// @ts-expect-error
export const bad3: Used = 3;
`;

/** A signal, a URL and fetch, which the DOM library and Node's types both know. */
const platform = `import { httpFolder, httpSource } from 'ENTRY';
import type { ByteSource, CreateModelOptions } from 'ENTRY';

const controller = new AbortController();
export const source: Promise<ByteSource> = httpSource(new URL('https://example.com/m.gguf'), { signal: controller.signal, fetch });
export const folder = httpFolder('https://example.com/', {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: 'x' } }),
});
export const signal: CreateModelOptions['signal'] = AbortSignal.timeout(5);
export const back = (each: NonNullable<CreateModelOptions['signal']>): AbortSignal => each;
`;

/** The server has no types of the platform but those that the compiler knows. */
const server = `import { createServer } from 'ingot/server';
import type { RequestRecord, Server, ServerLimits, ServerOptions, ServerRequest, ServerResponse } from 'ingot/server';
import type { Model } from 'ingot/core';

export type Used = [RequestRecord, ServerLimits, ServerRequest, ServerResponse];
export const serve = (ember: Model, options: Omit<ServerOptions, 'models'>): Server => createServer({ ...options, models: { ember } });
export const stop = (server: Server): Promise<void> => server.drain({ withinMs: 5 });
// @ts-expect-error: no models
export const bad1 = createServer({});
// @ts-expect-error
export const bad2: ServerLimits = { bodyBytes: 'x' };
`;

/** A framework hands it requests, and gets answers of its own type. */
const serverFetch = `import type { Server } from 'ingot/server';
export const answer = (server: Server, url: string): Promise<Response> => server.fetch(new Request(url));
`;

/** Without the packages of the AI SDK. */
const aiSdk = `import { createIngot } from 'ingot/ai-sdk';
import type { EmbeddingModel, Ingot, IngotOptions, LanguageModel, LanguageResult, StreamPart } from 'ingot/ai-sdk';
import type { Model } from 'ingot/core';

export type Used = [IngotOptions, EmbeddingModel, LanguageResult, StreamPart];
export const inside = (ember: Model): Ingot => createIngot({ models: { ember } });
export const model: LanguageModel = createIngot({ baseURL: 'http://127.0.0.1:8080/v1' })('ember');
// @ts-expect-error
export const bad = createIngot({ models: 3 });
`;

const dom = `import {
  adapterFacts, adapterName, createCpuExecutor, createGpuExecutor, createThreadHost, fetchKernelModules, openGpuDevice, profileFor,
} from 'ingot/browser';

export const cpu = async () => {
  const modules = await fetchKernelModules({ plain: new URL('https://example.com/a.wasm') });
  return createCpuExecutor({ threads: navigator.hardwareConcurrency, modules, threadHost: createThreadHost() });
};
export const gpu = async (adapter: GPUAdapter) => {
  const facts = adapterFacts(adapter);
  const gpu = await openGpuDevice(adapter);
  const device: GPUDevice = gpu.device;
  return createGpuExecutor({ open: async () => gpu, name: adapterName(facts) + device.label, kind: 'gpu', profile: profileFor(facts) });
};
// @ts-expect-error: no adapter
export const bad = openGpuDevice(3);
`;

const node = `import { bundledModelPath, collect, directorySource, fileSource, loadModel, loadTokenizer, locate } from 'ingot';
import type { LoadModelOptions } from 'ingot';

export async function ask(options: LoadModelOptions): Promise<string> {
  await using model = await loadModel(bundledModelPath(), { ...options, signal: AbortSignal.timeout(1000) });
  return (await collect(model.generate({ prompt: 'Once' }))).text;
}
export const parts = [directorySource('.'), fileSource('x'), loadTokenizer('x'), locate('x')] as const;
`;

const commonjs = `import ingot = require('ingot');
import core = require('ingot/core');
export const load: (path: string) => Promise<core.Model> = (path) => ingot.loadModel(path);
`;

/** What a page shows, one block after the other. */
function programOf(page: string): string {
  const code = [...readFileSync(join(repoRoot, page), 'utf8').matchAll(/^```js\n([^]*?)^```$/gm)].map(([, block]) => block).join('\n');
  if (code === '') throw new Error(`${page} shows no program`);
  return code;
}


const entry = (source: string, name: string) => source.replaceAll('ENTRY', name);
const slug = (name: string) => name.replace('/', '-');

export const consumers: readonly Consumer[] = [
  ...['ingot', 'ingot/core', 'ingot/browser'].flatMap((name): Consumer[] => [
    { file: `${slug(name)}.ts`, source: entry(core, name), needs: [] },
    { file: `${slug(name)}-platform.ts`, source: entry(platform, name), needs: ['dom', 'node'] },
  ]),
  { file: 'server.ts', source: server, needs: [] },
  { file: 'ai-sdk.ts', source: aiSdk, needs: [] },
  { file: 'server-fetch.ts', source: serverFetch, needs: ['dom', 'node'] },
  { file: 'dom.ts', source: dom, needs: ['dom'] },
  { file: 'node.ts', source: node, needs: ['node'] },
  { file: 'readme.ts', source: programOf('README.md'), needs: ['node'] },
  { file: 'library.ts', source: programOf('docs/library.md'), needs: ['node'] },
  { file: 'required.cts', source: commonjs, needs: ['commonjs'] },
];

interface TypeSetting {
  readonly name: string;
  readonly options: object;
  /** Whether a consumer can be one with these settings; a program that needs several of the platform's libraries needs any one. */
  readonly takes: (consumer: Consumer) => boolean;
}

const modules = [{ module: 'nodenext', moduleResolution: 'nodenext' }, { module: 'esnext', moduleResolution: 'bundler' }];

export const typeSettings: readonly TypeSetting[] = modules.flatMap((module) =>
  [true, false].flatMap((hasDom) => [true, false].map((hasNode): TypeSetting => ({
    name: `${module.moduleResolution}, ${hasDom ? 'with' : 'without'} the DOM, ${hasNode ? 'with' : 'without'} @types/node`,
    options: { ...module, lib: hasDom ? ['es2023', 'dom'] : ['es2023'], types: hasNode ? ['node'] : [] },
    takes: ({ needs }) => {
      const given = [...(hasDom ? ['dom'] : []), ...(hasNode ? ['node'] : []), ...(module.module === 'nodenext' ? ['commonjs'] : [])];
      return needs.length === 0 || needs.some((need) => given.includes(need));
    },
  }))),
);
