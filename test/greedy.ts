import type { SamplingSettings } from '../src/graph/sampling.ts';

/** The best token each time, with nothing that changes scores. */
export const GREEDY: SamplingSettings = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 1,
};
