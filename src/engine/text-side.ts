/** What a checkpoint says about text: tokenizer, chat template, end tokens, sampling defaults. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { samplingDefaults } from '../text/sampling-defaults.ts';
import { endTokens, tokenizerFromCheckpoint } from '../text/tokenizer-from-checkpoint.ts';
import type { TextSide } from './prompt.ts';

/** @throws FormatError for a tokenizer or a template that is damaged or of an unsupported kind */
export function openTextSide(checkpoint: Checkpoint): TextSide {
  const tokenizer = tokenizerFromCheckpoint(checkpoint);
  return {
    tokenizer,
    encodeMessages: undefined,
    endIds: endTokens(checkpoint, tokenizer),
    samplingDefaults: samplingDefaults(checkpoint),
  };
}
