/** Engines in their own processes, as the benchmark holds them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './child-process.ts';
import type { DeviceLimits, measureLimits } from './device-limits.ts';
import type { Conversation, EngineFacts, EngineSettings, OpenEngine } from './engine.ts';

export interface EngineClient extends OpenEngine {
  /** From the start of the process until the engine could take a request. */
  readonly readyMs: number;
}

export interface StartEngineOptions {
  readonly signal: AbortSignal;
  /** True: with drivers' shader caches in an empty folder of this process's own. */
  readonly hasColdCaches?: boolean | undefined;
}

/** Where Mesa, NVIDIA's driver and CUDA keep compiled shaders. */
const CACHE_VARIABLES = ['MESA_SHADER_CACHE_DIR', '__GL_SHADER_DISK_CACHE_PATH', 'CUDA_CACHE_PATH', 'XDG_CACHE_HOME'];

export async function startEngine(
  name: string,
  settings: EngineSettings,
  { signal, hasColdCaches }: StartEngineOptions,
): Promise<EngineClient> {
  const caches = hasColdCaches ? await mkdtemp(join(tmpdir(), 'ingot-bench-')) : undefined;
  const forget = async () => void (caches !== undefined && (await rm(caches, { recursive: true, force: true })));
  const env = caches === undefined ? undefined : Object.fromEntries(CACHE_VARIABLES.map((variable) => [variable, caches]));
  try {
    const child = await startChild({ module: 'engine-process', args: [name, JSON.stringify(settings)], title: name, signal, env });
    const call = <Result,>(method: keyof OpenEngine, ...args: readonly unknown[]) => child.call(method, args) as Promise<Result>;
    return {
      facts: child.ready as EngineFacts,
      readyMs: child.readyMs,
      prefill: (ids) => call('prefill', ids),
      firstToken: (ids) => call('firstToken', ids),
      decode: (ids, count) => call('decode', ids, count),
      converse: (conversation: Conversation) => call('converse', conversation),
      serve: (requests) => call('serve', requests),
      peakMemoryBytes: () => call('peakMemoryBytes'),
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
