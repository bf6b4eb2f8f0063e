/** How a model's own files say that it should be sampled, and what of it is not done here. */
import type { Checkpoint, JsonObject, JsonValue, MetadataValue } from '../tensor/checkpoint.ts';
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
  /** In [-2, 2]. */
  readonly presencePenalty?: number;
  /** In [-2, 2]. */
  readonly frequencyPenalty?: number;
}

type Name = keyof SamplingDefaults;

interface Source {
  readonly name: Name;
  /** Its key in generation_config.json. */
  readonly json: string;
  /** Its key in GGUF, after `general.sampling.`; absent where there is none. */
  readonly gguf?: string;
  /** What values can be meant. */
  readonly isValid: (value: number) => boolean;
}

const isPenalty = (value: number) => value >= -2 && value <= 2;

const SOURCES: readonly Source[] = [
  { name: 'temperature', json: 'temperature', gguf: 'temp', isValid: (value) => value >= 0 },
  { name: 'topK', json: 'top_k', gguf: 'top_k', isValid: (value) => Number.isSafeInteger(value) && value >= 0 },
  { name: 'topP', json: 'top_p', gguf: 'top_p', isValid: (value) => value > 0 && value <= 1 },
  { name: 'minP', json: 'min_p', gguf: 'min_p', isValid: (value) => value >= 0 && value <= 1 },
  { name: 'repetitionPenalty', json: 'repetition_penalty', gguf: 'penalty_repeat', isValid: (value) => value > 0 },
  { name: 'presencePenalty', json: 'presence_penalty', isValid: isPenalty },
  { name: 'frequencyPenalty', json: 'frequency_penalty', isValid: isPenalty },
];

const GGUF_PREFIX = 'general.sampling.';
const JSON_FILE = 'generation_config.json';

/** Settings that choose among likely tokens: without sampling they have no say. */
const CHOOSING: ReadonlySet<Name> = new Set(['temperature', 'topK', 'topP', 'minP']);

/** Values that make no sense are left out rather than passed on; {@link samplingWarnings} tells of them. */
export function samplingDefaults(checkpoint: Checkpoint): SamplingDefaults {
  const generation = jsonAsset(checkpoint, JSON_FILE);
  // transformers samples only where do_sample is set; a file that names a temperature and no do_sample means it too.
  const isGreedy = generation?.['do_sample'] === false;
  const found: { -readonly [Key in Name]?: number } = isGreedy ? { temperature: 0 } : {};
  for (const { name, json, gguf, isValid } of SOURCES) {
    if (isGreedy && CHOOSING.has(name)) continue;
    const value = generation?.[json] ?? (gguf === undefined ? undefined : checkpoint.metadata.get(GGUF_PREFIX + gguf));
    if (isNumberThat(isValid, value)) found[name] = tidy(value);
  }
  return found;
}

function isNumberThat(isValid: (value: number) => boolean, value: JsonValue | MetadataValue | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value) && isValid(value);
}

/** GGUF keeps 32-bit floats: 0.7 comes back as 0.699999988. */
function tidy(value: number): number {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}

/**
 * Keys of generation_config.json that have no say in which token comes next (lengths, outputs, speed: those are the caller's or the
 * engine's), or are read elsewhere (tokens that end an answer).
 */
const IDLE_KEYS: ReadonlySet<string> = new Set([
  'bos_token_id',
  'eos_token_id',
  'pad_token_id',
  'decoder_start_token_id',
  'transformers_version',
  '_from_model_config',
  '_commit_hash',
  'trust_remote_code',
  'use_cache',
  'cache_implementation',
  'cache_config',
  'return_legacy_cache',
  'low_memory',
  'compile_config',
  'disable_compile',
  'prefill_chunk_size',
  'is_assistant',
  'return_dict_in_generate',
  'output_attentions',
  'output_hidden_states',
  'output_scores',
  'output_logits',
  'num_return_sequences',
  'max_length',
  'max_new_tokens',
  'num_assistant_tokens',
  'num_assistant_tokens_schedule',
  'assistant_confidence_threshold',
  'assistant_early_exit',
  'assistant_lookbehind',
  'target_lookbehind',
  'prompt_lookup_num_tokens',
  'max_matching_ngram_size',
  'chat_format',
  'max_window_size',
  'user_token_id',
  'assistant_token_id',
  // What tunes beams: num_beams, without which they are nothing, is told of.
  'num_beam_groups',
  'length_penalty',
  'early_stopping',
  'diversity_penalty',
]);

/** Settings that are not there here, with the values (besides null, false and the empty list or object) at which they do nothing. */
const NEUTRAL_JSON: Readonly<Record<string, number>> = {
  num_beams: 1, typical_p: 1, top_h: 1, guidance_scale: 1, encoder_repetition_penalty: 1, penalty_alpha: 0,
  epsilon_cutoff: 0, eta_cutoff: 0, no_repeat_ngram_size: 0, encoder_no_repeat_ngram_size: 0, min_length: 0, min_new_tokens: 0,
};

/** The same for GGUF. `penalty_last_n` says over how many tokens a penalty goes: -1 is all of them, as here. */
const NEUTRAL_GGUF: Readonly<Record<string, number>> = { xtc_probability: 0, mirostat: 0, penalty_last_n: -1 };
/** Idle where what they tune is off. */
const TUNES: Readonly<Record<string, { readonly key: string; readonly off: number }>> = {
  xtc_threshold: { key: 'xtc_probability', off: 0 },
  mirostat_tau: { key: 'mirostat', off: 0 },
  mirostat_eta: { key: 'mirostat', off: 0 },
  penalty_last_n: { key: 'penalty_repeat', off: 1 },
};

function isNothing(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** What the files ask of generation and do not get, one sentence for each kind; empty where all of it is obeyed. */
export function samplingWarnings(checkpoint: Checkpoint): readonly string[] {
  const generation = jsonAsset(checkpoint, JSON_FILE) ?? {};
  return [...jsonWarnings(generation), ...ggufWarnings(checkpoint, generation)].map((what) => `${checkpoint.name}: ${what}`);
}

function jsonWarnings(generation: JsonObject): string[] {
  const given = Object.entries(generation).filter(([key, value]) => value !== undefined && value !== null && !IDLE_KEYS.has(key));
  const isSenseless = ([key, value]: readonly [string, JsonValue | undefined]) => {
    if (key === 'do_sample') return typeof value !== 'boolean';
    const source = SOURCES.find(({ json }) => json === key);
    return source !== undefined && !isNumberThat(source.isValid, value);
  };
  const isKnown = (key: string) => key === 'do_sample' || SOURCES.some(({ json }) => json === key);
  const unmet = given.filter(([key, value]) => !isKnown(key) && !isNothing(value) && NEUTRAL_JSON[key] !== value);
  return [
    ...sentence(`${JSON_FILE} has values that make no sense and are not used`, given.filter(isSenseless)),
    ...sentence(`${JSON_FILE} has settings of generation that are not obeyed here`, unmet),
  ];
}

function ggufWarnings({ metadata }: Checkpoint, generation: JsonObject): string[] {
  const given = [...metadata]
    .filter(([key]) => key.startsWith(GGUF_PREFIX))
    .map(([key, value]) => [key.slice(GGUF_PREFIX.length), value] as const);
  const sourceOf = (key: string) => SOURCES.find(({ gguf }) => gguf === key);
  // What generation_config.json says comes before.
  const isOverruled = (key: string) => (generation[sourceOf(key)?.json ?? ''] ?? undefined) !== undefined;
  const isSenseless = ([key, value]: readonly [string, MetadataValue]) => {
    const source = sourceOf(key);
    return source !== undefined && !isOverruled(key) && !isNumberThat(source.isValid, value);
  };
  const isOff = (key: string) => {
    const tuned = TUNES[key];
    return tuned !== undefined && (metadata.get(GGUF_PREFIX + tuned.key) ?? tuned.off) === tuned.off;
  };
  const unmet = given.filter(([key, value]) => sourceOf(key) === undefined && NEUTRAL_GGUF[key] !== value && !isOff(key));
  const named = (entries: readonly (readonly [string, MetadataValue])[]) =>
    entries.map(([key, value]) => [GGUF_PREFIX + key, value] as const);
  return [
    ...sentence("its metadata has values that make no sense and are not used", named(given.filter(isSenseless))),
    ...sentence("its metadata has settings of generation that are not obeyed here", named(unmet)),
  ];
}

const MOST_SHOWN = 8;

function sentence(what: string, entries: readonly (readonly [string, JsonValue | MetadataValue | undefined])[]): string[] {
  if (entries.length === 0) return [];
  const shown = entries.slice(0, MOST_SHOWN).map(([key, value]) => `${key.slice(0, 60)} (${shownValue(value)})`);
  const rest = entries.length > MOST_SHOWN ? ` and ${entries.length - MOST_SHOWN} more` : '';
  return [`${what}: ${shown.join(', ')}${rest}.`];
}

/** A file may hold integers beyond 2^53, and lists of any length. */
function shownValue(value: JsonValue | MetadataValue | undefined): string {
  if (typeof value === 'bigint') return String(value);
  if (ArrayBuffer.isView(value)) return `${value.length} numbers`;
  const text =
    JSON.stringify(Array.isArray(value) ? value.slice(0, 20) : value, (_, item: unknown) =>
      typeof item === 'bigint' ? String(item) : item,
    ) ?? 'undefined';
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
