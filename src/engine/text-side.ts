/** What a checkpoint says about text: tokenizer, chat template, end tokens, sampling defaults. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { ggufTokenizer } from '../text/gguf-tokenizer.ts';
import type { TextSide } from './prompt.ts';

export function openTextSide(checkpoint: Checkpoint): TextSide {
  const tokenizer = checkpoint.metadata.has('tokenizer.ggml.tokens') ? ggufTokenizer(checkpoint) : undefined;
  return { tokenizer, encodeMessages: undefined, endIds: tokenizer?.endIds ?? new Set(), samplingDefaults: {} };
}
