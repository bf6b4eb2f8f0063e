/** What the host writes of a sequence before its tokens are sampled: the settings as the kernels read them, counts of tokens so far. */
import type { SamplingSettings } from '../../graph/sampling.ts';
import type { Binding } from '../kernel.ts';

/** As {@link samplingRecord} fills it. */
export const SAMPLING_STRUCT = `struct Sampling {
  seed: vec2<u32>,
  bitsPerLogit: vec2<f32>,
  reach: f32,
  minPReach: f32,
  topK: u32,
  topP: u32,
  repetition: f32,
  presence: f32,
  frequency: f32,
  topStep: u32,
  greedy: u32,
}
`;
export const SAMPLING_BYTES = 56;
/** A record a sequence. */
export const SETTINGS_BINDING: Binding = { name: 'settings', access: 'read', type: 'array<Sampling>' };

/** A token's bit in `counts` when the prompt holds it; the bits below count its occurrences in the output. */
export const IN_PROMPT = 0x8000_0000;

/** Set in a sequence's `status` when logits hold NaN or +Infinity, or nothing finite; the token is then 0 and means nothing. */
export const STATUS_BAD_LOGITS = 1;

/** Weights below 2^-44 of the largest count as nothing (draw-weight.ts). */
export const WEIGHT_BITS = 44;

/** Distances from the largest logit fall into bins by their exponent and six bits more: {@link DISTANCE_BINS} of them are 16 octaves. */
export const DISTANCE_SHIFT = 17;
export const DISTANCE_BINS = 1024;
/** The buffer `bins`: how many tokens each bin holds, then the low words of their weight, then the high words. */
export const BIN_WORDS = 3 * DISTANCE_BINS;

/** The last bin begins here at the latest: real logits seldom lie farther from the best. */
const FARTHEST_BIN = 64;
const LARGEST_F32 = 3.4028234663852886e38;
const TWO_32 = 0x1_0000_0000;

const toF32 = (value: number): number => Math.fround(Math.min(value, LARGEST_F32));

/**
 * The settings as the words of `struct Sampling`. At temperature 0 only the largest logits have a weight, and the first of them is drawn;
 * the greedy kernels use the penalties alone.
 * - seed: low word, high word.
 * - bitsPerLogit: log2(e) / temperature as the sum of two floats: a weight is 2^-(distance * bitsPerLogit).
 * - reach: distance of a logit from the largest beyond which its weight is nothing. minPReach: the same for what min-p keeps.
 * - topK: 0 is off. topP: in units of 2^-32, 0 is off.
 * - topStep: the last bin, as the distance's bits over 2^17.
 * - greedy: 1 at temperature 0.
 */
export function samplingRecord(settings: SamplingSettings): Uint32Array<ArrayBuffer> {
  const { temperature, topK, topP, minP, seed } = settings;
  const words = new Uint32Array(SAMPLING_BYTES / 4);
  const floats = new Float32Array(words.buffer);
  const bits = temperature > 0 ? Math.min(Math.LOG2E / temperature, LARGEST_F32) : 0;
  const reach = toF32((WEIGHT_BITS + 1) * Math.LN2 * temperature);
  words[0] = seed % TWO_32;
  words[1] = Math.floor(seed / TWO_32);
  floats[2] = bits;
  floats[3] = bits - (floats[2] as number);
  floats[4] = reach;
  floats[5] = minP > 0 ? toF32(-Math.log(minP) * temperature) : LARGEST_F32;
  words[6] = Math.min(topK, TWO_32 - 1);
  words[7] = topP < 1 ? Math.min(Math.max(Math.round(topP * TWO_32), 1), TWO_32 - 1) : 0;
  floats[8] = toF32(settings.repetitionPenalty);
  floats[9] = settings.presencePenalty;
  floats[10] = settings.frequencyPenalty;
  floats[11] = Math.min(reach, FARTHEST_BIN);
  words[11] = (words[11] as number) >>> DISTANCE_SHIFT;
  words[12] = temperature === 0 ? 1 : 0;
  return words;
}

export interface TokensSoFar {
  readonly vocab: number;
  readonly promptIds: ArrayLike<number>;
  readonly outputIds: ArrayLike<number>;
}

/** `counts` [vocab] as penalties begin: {@link IN_PROMPT} and occurrences in the output. */
export function tokenCounts({ vocab, promptIds, outputIds }: TokensSoFar): Uint32Array<ArrayBuffer> {
  const counts = new Uint32Array(vocab);
  for (let i = 0; i < promptIds.length; i++) counts[promptIds[i] as number] = IN_PROMPT;
  for (let i = 0; i < outputIds.length; i++) counts[outputIds[i] as number]! += 1;
  return counts;
}
