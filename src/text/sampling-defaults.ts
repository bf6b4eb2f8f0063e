/** How a model's own files say that it should be sampled. */
import type { Checkpoint, JsonObject, JsonValue } from '../tensor/checkpoint.ts';
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

/** Values that make no sense are left out rather than passed on; {@link samplingWarnings} tells of them. */
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

/** Keys of generation_config.json that say nothing of how tokens are chosen, or that are read elsewhere (end tokens). */
const IDLE_KEYS: ReadonlySet<string> = new Set([
  'bos_token_id', 'eos_token_id', 'pad_token_id', 'decoder_start_token_id', 'do_sample', 'transformers_version', '_from_model_config', 'use_cache', 'cache_implementation',
  'cache_config', 'return_dict_in_generate', 'output_attentions', 'output_hidden_states', 'output_scores', 'output_logits', 'return_legacy_cache', 'trust_remote_code',
  'max_length', 'max_new_tokens', 'chat_format', 'max_window_size', 'prefill_chunk_size', 'compile_config', 'disable_compile', 'is_assistant', 'num_assistant_tokens',
  'num_assistant_tokens_schedule', 'assistant_confidence_threshold', 'prompt_lookup_num_tokens', 'max_matching_ngram_size', 'assistant_early_exit', 'target_lookbehind', 'assistant_lookbehind',
]);

/** Settings of transformers that are not there here, with the values at which they do nothing. */
const NEUTRAL_VALUES: Readonly<Record<string, readonly JsonValue[]>> = {
  num_beams: [1], num_beam_groups: [1], num_return_sequences: [1], diversity_penalty: [0], length_penalty: [1], early_stopping: [false], penalty_alpha: [0], low_memory: [false],
  typical_p: [1], epsilon_cutoff: [0], eta_cutoff: [0], encoder_repetition_penalty: [1], no_repeat_ngram_size: [0], encoder_no_repeat_ngram_size: [0], min_length: [0],
  min_new_tokens: [0], renormalize_logits: [false], remove_invalid_values: [false], guidance_scale: [1], max_time: [], stop_strings: [[]], bad_words_ids: [[]], force_words_ids: [[]],
  suppress_tokens: [[]], begin_suppress_tokens: [[]], forced_bos_token_id: [], forced_eos_token_id: [], exponential_decay_length_penalty: [], sequence_bias: [[]],
  constraints: [[]], watermarking_config: [], token_healing: [false], dola_layers: [], top_h: [],
};

/** What generation_config.json, or a GGUF file's metadata, asks for and does not get, a sentence for each kind; empty where all of it is obeyed. */
export function samplingWarnings(checkpoint: Checkpoint): readonly string[] {
  const generation = jsonAsset(checkpoint, 'generation_config.json') ?? {};
  const shown = (key: string) => `${key} (${JSON.stringify(generation[key])?.slice(0, 40)})`;
  const isSource = (key: string) => sources.some(({ json }) => json === key);
  const given = Object.keys(generation).filter((key) => generation[key] !== null && !IDLE_KEYS.has(key));
  const senseless = given.filter((key) => sources.some(({ json, isValid }) => json === key && !(typeof generation[key] === 'number' && isValid(generation[key]))));
  const unmet = given.filter((key) => !isSource(key) && !(NEUTRAL_VALUES[key] ?? []).some((neutral) => JSON.stringify(neutral) === JSON.stringify(generation[key])));
  const prefix = 'general.sampling.';
  const ofGguf = [...checkpoint.metadata.keys()].filter((key) => key.startsWith(prefix) && !sources.some(({ gguf }) => key === prefix + gguf));
  return [
    ...(ofGguf.length > 0 ? [`The file's metadata has sampling settings that are not used here: ${ofGguf.slice(0, 8).join(', ')}${ofGguf.length > 8 ? ` and ${ofGguf.length - 8} more` : ''}.`] : []),
    ...(senseless.length > 0 ? [`generation_config.json has values that make no sense and are not used: ${senseless.map(shown).join(', ')}.`] : []),
    ...(unmet.length > 0 ? [`generation_config.json has settings that are not used here: ${unmet.slice(0, 8).map(shown).join(', ')}${unmet.length > 8 ? ` and ${unmet.length - 8} more` : ''}.`] : []),
  ];
}
