/** The page of WebLLM. Runs in a browser. */
import { timedAnswer } from './page-answer.ts';

let engine: any;

export async function open({ modelName, contextLength }: { readonly modelName: string; readonly contextLength: number }): Promise<object> {
  const address = '/packages/@mlc-ai/web-llm/lib/index.js';
  const { CreateMLCEngine } = await import(address);
  const options = { context_window_size: contextLength + 256 };
  engine = await CreateMLCEngine(modelName, {}, options);
  const name = (await (navigator as any).gpu?.requestAdapter())?.info?.description;
  return { device: `page (WebGPU${name ? `, ${name}` : ''})`, flags: { model: modelName, contextLength: options.context_window_size } };
}

interface Asking {
  readonly messages: readonly object[];
  readonly maxTokens: number;
}

export async function answer({ messages, maxTokens }: Asking): Promise<object> {
  const startMs = performance.now();
  const usual = { temperature: 0, stream: true, stream_options: { include_usage: true }, ignore_eos: true };
  const asked = { ...usual, messages, max_tokens: maxTokens };
  return timedAnswer(await engine.chat.completions.create(asked), startMs);
}
