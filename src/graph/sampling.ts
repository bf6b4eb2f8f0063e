/**
 * How a token is chosen from logits, every number given and in range. The order: a mask, logit bias, penalties, then temperature, top-k,
 * top-p and min-p, then one number of the Philox stream. A plain record here so that executors may sample themselves.
 */
import { FormatError } from '../tensor/errors.ts';

export interface SamplingSettings {
  /** At least 0; 0 takes the likeliest token (ties: the lowest id) and uses only the penalties of what follows. */
  readonly temperature: number;
  /** 0 keeps all. */
  readonly topK: number;
  /** In (0, 1]; 1 keeps all. */
  readonly topP: number;
  /** In [0, 1]; 0 keeps all. */
  readonly minP: number;
  /** Above 0; 1 is off. Over prompt and output. */
  readonly repetitionPenalty: number;
  /** In [-2, 2]; 0 is off. Over the output. */
  readonly presencePenalty: number;
  /** In [-2, 2]; 0 is off. Over the output, once per occurrence. */
  readonly frequencyPenalty: number;
  /** An integer from 0 to 2^53 - 1. */
  readonly seed: number;
  /** By token id: added to its logit, in f32, where that is finite. Absent: nothing is. */
  readonly logitBias?: ReadonlyMap<number, number> | undefined;
}

export function hasBias({ logitBias }: SamplingSettings): boolean {
  return logitBias !== undefined && logitBias.size > 0;
}

/** What an executor that chooses tokens says where no logit is of use. */
export function badLogits(): FormatError {
  return new FormatError(
    'The model computed no usable scores: a logit is NaN or infinite, or none is finite. Its weights or activations overflow, ' +
      'or its keys and values what kvType says ("f32" holds all); check the file (ingot eval on the reference device tells a damaged ' +
      'file from an arithmetic that is too narrow).',
  );
}

/** Whether the token is the one with the greatest logit, as the model made it. */
export function choosesLikeliest(settings: SamplingSettings): boolean {
  return settings.temperature === 0 && !hasBias(settings) && !hasPenalties(settings);
}

/** True where logits depend on the tokens before. */
export function hasPenalties({ repetitionPenalty, presencePenalty, frequencyPenalty }: SamplingSettings): boolean {
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}
