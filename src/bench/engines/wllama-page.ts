/** The page of wllama. Runs in a browser. */
import { timedAnswer } from './page-answer.ts';
import type { Opening } from './page-answer.ts';

let wllama: any;
/** Of keys and values; the library is told. */
const KV_TYPE = 'f16';

export async function open({ contextLength, threads, isGpu }: Opening): Promise<object> {
  const address = '/packages/@wllama/wllama/esm/index.js';
  const { Wllama } = await import(address);
  wllama = new Wllama({ default: '/packages/@wllama/wllama/esm/wasm/wllama.wasm' }, { suppressNativeLog: true });
  const blob = await (await fetch('/model.gguf')).blob();
  // Room for what a chat's template adds to a prompt.
  const n_ctx = contextLength + 256;
  // By itself it takes half of the processors.
  const n_threads = threads ?? navigator.hardwareConcurrency;
  const cache = { cache_type_k: KV_TYPE, cache_type_v: KV_TYPE };
  await wllama.loadModel([blob], { n_ctx, n_threads, n_gpu_layers: isGpu ? 999 : 0, flash_attn: true, ...cache });
  const count = wllama.getNumThreads();
  return {
    device: isGpu ? 'page (WebGPU)' : `page (WebAssembly, ${count} ${count === 1 ? 'thread' : 'threads'})`,
    flags: { contextLength: n_ctx, flashAttention: true, llamaCpp: Wllama.getLibllamaVersion(), kv: KV_TYPE },
  };
}

interface Asking {
  readonly messages: readonly object[];
  readonly maxTokens: number;
}

export async function answer({ messages, maxTokens }: Asking): Promise<object> {
  const startMs = performance.now();
  const asked = { messages, max_tokens: maxTokens, temperature: 0, stream: true, ignore_eos: true, reasoning_format: 'none' };
  return timedAnswer(await wllama.createChatCompletion(asked), startMs);
}
