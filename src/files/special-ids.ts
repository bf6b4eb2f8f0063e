/** Beginning, end, padding and unknown ids out of the four files that may name them. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { idList } from '../tensor/json.ts';

export interface SpecialIdSources {
  /** tokenizer_config.json */
  readonly settings: JsonObject;
  /** config.json */
  readonly config: JsonObject;
  /** generation_config.json */
  readonly generation: JsonObject;
  /** Empty where there is no tokenizer. */
  readonly idOf: ReadonlyMap<string, number>;
  readonly vocabSize: number;
}

export interface SpecialIds {
  /** By GGUF key, without `tokenizer.ggml.`. */
  readonly named: ReadonlyMap<string, number>;
  /** Every id that ends generation, the one named as end token first. */
  readonly endIds: readonly number[];
}

/** Texts that models use for the end of a turn and of a message, when they are not the end token themselves. */
const END_OF_TURN = ['<|eot_id|>', '<|im_end|>', '<end_of_turn>', '<turn|>', '<|end|>', '<|end_of_turn|>', '<|endoftext|>'];
const END_OF_MESSAGE = ['<|eom_id|>'];

/**
 * A token named in tokenizer_config.json comes first, then ids of config.json. generation_config.json holds the whole set
 * of end ids; those beyond the first are also named as end of turn or message where their text says that they are.
 */
export function specialIds({ settings, config, generation, idOf, vocabSize }: SpecialIdSources): SpecialIds {
  const named = new Map<string, number>();
  const idOfToken = (key: string) => idOf.get(textOf(settings[`${key}_token`]) ?? '');
  const firstId = (key: string) => idOfToken(key) ?? idList(generation[`${key}_token_id`])[0] ?? idList(config[`${key}_token_id`])[0];
  const set = (key: string, id: number | undefined) => {
    if (id !== undefined && id < vocabSize) named.set(key, id);
  };
  const listed =
    generation['eos_token_id'] === undefined || generation['eos_token_id'] === null
      ? idList(config['eos_token_id'])
      : idList(generation['eos_token_id']);
  const fromToken = idOfToken('eos');
  const eos = fromToken ?? listed[0];
  const endIds = [...new Set(eos === undefined ? listed : [eos, ...listed])].filter((id) => id < vocabSize);
  set('bos_token_id', firstId('bos'));
  set('eos_token_id', eos);
  const others = endIds.filter((id) => id !== eos);
  const firstOf = (texts: readonly string[]) => texts.map((text) => idOf.get(text)).find((id) => id !== undefined && others.includes(id));
  set('eot_token_id', firstOf(END_OF_TURN));
  set('eom_token_id', firstOf(END_OF_MESSAGE));
  set('unknown_token_id', idOfToken('unk'));
  set('padding_token_id', firstId('pad'));
  return { named, endIds };
}

/** A token is its text, or an object that has it. */
function textOf(token: JsonValue | undefined): string | undefined {
  if (typeof token === 'string') return token;
  if (typeof token !== 'object' || token === null || Array.isArray(token)) return undefined;
  const { content } = token as JsonObject;
  return typeof content === 'string' ? content : undefined;
}
