/** The page of Ingot itself: a model in its worker, as `ingot/browser` loads one. Runs in a browser. */
import { timedPieces } from './page-answer.ts';
import type { Asking, Opening } from './page-answer.ts';

let model: any;

export async function open({ contextLength: wanted, threads, kvType, isGpu }: Opening): Promise<object> {
  const address = '/dist/browser/load.js';
  const { loadModel } = await import(address);
  model = await loadModel(new URL('/model.gguf', location.href).href, {
    device: isGpu ? 'gpu' : 'cpu', contextLength: wanted + 256, kvType, cache: 'none',
    // A page that is not isolated has one thread, and refuses more.
    threads: isGpu || !crossOriginIsolated ? undefined : threads,
  });
  const { info: { contextLength, kvType: kv }, runsOn: { description } } = model;
  return { device: `page (${description})`, flags: { contextLength, kv } };
}

export async function answer({ ids, messages, maxTokens }: Asking): Promise<object> {
  const startMs = performance.now();
  // A prompt of ids is read from its beginning; a conversation goes on from what is kept of it.
  const prompt = ids === undefined ? { messages } : { ids, cachePrompt: false };
  return timedPieces(model.generate({ ...prompt, maxTokens, temperature: 0, ignoreEos: true }), startMs);
}
