/** How a model's own files say that it should be sampled. */
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { jsonAsset } from './tokenizer-from-checkpoint.ts';

/** Only what the files say; absent keys are for the caller's own defaults. */
export interface SamplingDefaults {
  /** 0 is greedy. */
  readonly temperature?: number;
  /** 0 is off. */
  readonly topK?: number;
  /** In (0, 1]. */
  readonly topP?: number;
  /** In [0, 1]. */
  readonly minP?: number;
  readonly repetitionPenalty?: number;
}

type Name = keyof SamplingDefaults;

/** Per setting: its name in generation_config.json and in GGUF, and what values can be meant. */
const sources: readonly { name: Name; json: string; gguf: string; isValid: (value: number) => boolean }[] = [
  { name: 'temperature', json: 'temperature', gguf: 'temp', isValid: (value) => value >= 0 },
  { name: 'topK', json: 'top_k', gguf: 'top_k', isValid: (value) => Number.isInteger(value) && value >= 0 },
  { name: 'topP', json: 'top_p', gguf: 'top_p', isValid: (value) => value > 0 && value <= 1 },
  { name: 'minP', json: 'min_p', gguf: 'min_p', isValid: (value) => value >= 0 && value <= 1 },
  { name: 'repetitionPenalty', json: 'repetition_penalty', gguf: 'penalty_repeat', isValid: (value) => value > 0 },
];

/** Values that make no sense are left out rather than passed on. */
export function samplingDefaults(checkpoint: Checkpoint): SamplingDefaults {
  const generation = jsonAsset(checkpoint, 'generation_config.json');
  // transformers samples only where do_sample is set; a file that names a temperature and no do_sample means it too.
  if (generation?.['do_sample'] === false) return { temperature: 0, ...penaltyOf(generation) };
  const found: { -readonly [Key in Name]?: number } = {};
  for (const { name, json, gguf, isValid } of sources) {
    const value = generation?.[json] ?? checkpoint.metadata.get(`general.sampling.${gguf}`);
    if (typeof value === 'number' && Number.isFinite(value) && isValid(value)) found[name] = tidy(value);
  }
  return found;
}

function penaltyOf(generation: JsonObject): SamplingDefaults {
  const penalty = generation['repetition_penalty'];
  return typeof penalty === 'number' && penalty > 0 ? { repetitionPenalty: penalty } : {};
}

/** GGUF keeps 32-bit floats: 0.7 comes back as 0.699999988. */
function tidy(value: number): number {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}
