/** The page of transformers.js: ONNX files by onnxruntime's WebAssembly, or its WebGPU. Runs in a browser. */
import type { Asking } from './page-answer.ts';

let library: any;
let model: any;

interface Opening {
  readonly dtype: string;
  readonly threads?: number;
  readonly isGpu: boolean;
}

export async function open({ dtype, threads, isGpu }: Opening): Promise<object> {
  const address = '/packages/@huggingface/transformers/dist/transformers.js';
  library = await import(address);
  const { env } = library;
  Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: '/', useBrowserCache: false });
  const { wasm } = env.backends.onnx;
  wasm.wasmPaths = new URL('/packages/onnxruntime-web/dist/', location.href).href;
  // By itself it takes half of the processors, four at most.
  wasm.numThreads = crossOriginIsolated ? (threads ?? navigator.hardwareConcurrency) : 1;
  model = await library.AutoModelForCausalLM.from_pretrained('weights', { dtype, device: isGpu ? 'webgpu' : 'wasm' });
  const where = isGpu ? 'WebGPU' : `WebAssembly, ${wasm.numThreads} ${wasm.numThreads === 1 ? 'thread' : 'threads'}`;
  return { device: `page (onnxruntime, ${where})`, flags: { dtype, kv: 'as the file has it' } };
}

export async function answer({ ids = [], maxTokens }: Asking): Promise<object> {
  const shape = [1, ids.length];
  const input_ids = new library.Tensor('int64', BigInt64Array.from(ids, BigInt), shape);
  const attention_mask = new library.Tensor('int64', new BigInt64Array(ids.length).fill(1n), shape);
  const arrivals: { ms: number; tokens: number }[] = [];
  const startMs = performance.now();
  let hasPrompt = false;
  // It is given the prompt first.
  const put = () => void (hasPrompt ? arrivals.push({ ms: performance.now() - startMs, tokens: 1 }) : (hasPrompt = true));
  const length = { max_new_tokens: maxTokens, min_new_tokens: maxTokens };
  await model.generate({ input_ids, attention_mask, ...length, do_sample: false, streamer: { put, end() {} } });
  return { text: '', tokens: arrivals.length, promptTokens: ids.length, cachedTokens: 0, arrivals, hasEnded: false };
}
