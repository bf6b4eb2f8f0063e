/** Engines in their own processes, as the benchmark holds them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './child-process.ts';
import type { DeviceLimits, measureLimits } from './device-limits.ts';
import type { EngineFacts, EngineMethods, EngineSettings } from './engine.ts';

export interface EngineClient extends EngineMethods {
  readonly facts: EngineFacts;
  /** From the start of the process until the engine could take a request. */
  readonly readyMs: number;
  close(): Promise<void>;
}

export interface StartEngineOptions {
  readonly signal: AbortSignal;
  /** True: with drivers' shader caches in an empty folder of this process's own. */
  readonly hasColdCaches?: boolean | undefined;
}

/** Where Mesa, NVIDIA's driver and CUDA keep compiled shaders. */
const CACHE_VARIABLES = ['MESA_SHADER_CACHE_DIR', '__GL_SHADER_DISK_CACHE_PATH', 'CUDA_CACHE_PATH', 'XDG_CACHE_HOME'];

/** Where drivers and llama.cpp read which GPUs a process may see. Ingot is told the number itself. */
const GPU_VARIABLES = ['GGML_VK_VISIBLE_DEVICES', 'CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES'];

export async function startEngine(
  name: string,
  settings: EngineSettings,
  { signal, hasColdCaches }: StartEngineOptions,
): Promise<EngineClient> {
  const caches = hasColdCaches ? await mkdtemp(join(tmpdir(), 'ingot-bench-')) : undefined;
  const forget = async () => void (caches !== undefined && (await rm(caches, { recursive: true, force: true })));
  const empty = caches === undefined ? [] : CACHE_VARIABLES.map((variable) => [variable, caches] as const);
  const { gpu } = settings;
  const seen = gpu === undefined || name === 'ingot' ? [] : GPU_VARIABLES.map((variable) => [variable, String(gpu)] as const);
  const env = Object.fromEntries([...empty, ...seen]);
  try {
    const child = await startChild({ module: 'engine-process', args: [name, JSON.stringify(settings)], title: name, signal, env });
    const call = <Result,>(method: keyof EngineMethods | 'close', ...args: readonly unknown[]) =>
      child.call(method, args) as Promise<Result>;
    return {
      facts: child.ready as EngineFacts,
      readyMs: child.readyMs,
      prefill: (...args) => call('prefill', ...args),
      firstToken: (...args) => call('firstToken', ...args),
      decode: (...args) => call('decode', ...args),
      converse: (...args) => call('converse', ...args),
      serve: (...args) => call('serve', ...args),
      answerInForm: (...args) => call('answerInForm', ...args),
      quality: (...args) => call('quality', ...args),
      tasks: (...args) => call('tasks', ...args),
      tower: (...args) => call('tower', ...args),
      see: (...args) => call('see', ...args),
      hear: (...args) => call('hear', ...args),
      speak: (...args) => call('speak', ...args),
      memory: () => call('memory'),
      async close() {
        try {
          await call('close');
        } finally {
          await child.end();
          await forget();
        }
      },
    };
  } catch (error) {
    await forget();
    throw error;
  }
}

export async function startLimits(options: Parameters<typeof measureLimits>[0], signal: AbortSignal): Promise<DeviceLimits> {
  const child = await startChild({ module: 'limits-process', args: [JSON.stringify(options)], title: 'measuring the device', signal });
  await child.end();
  return child.ready as DeviceLimits;
}
