/**
 * tokenizer_config.json beside a tokenizer.json, as transformers 5.18 takes it: tokens that it adds, and the settings of
 * encoding and decoding. What only some of its tokenizer classes obey, by building a pipeline of their own, is told where
 * tokenizer.json says otherwise.
 */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';

export interface TokenizerSettings {
  /** Tokens to add to those of tokenizer.json, in the form of its `added_tokens`, without ids. */
  readonly added: readonly JsonObject[];
  /** Special tokens in a text are read as plain characters, whoever wrote them. */
  readonly splitsSpecial: boolean;
  /** Takes out spaces before punctuation from decoded text. */
  readonly cleansUp: boolean;
  readonly warnings: readonly string[];
}

/** A token in tokenizer_config.json is its text, or an object that holds it. */
export function tokenContent(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  const content = isJsonObject(value) ? value['content'] : undefined;
  return typeof content === 'string' ? content : undefined;
}

const standardNames = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/** Special tokens by their names: the usual ones, then those that the model has besides. */
export function namedTokens(settings: JsonObject): (readonly [name: string, value: JsonValue])[] {
  const extra = settings['extra_special_tokens'];
  const own = Object.entries({ ...settings, ...(isJsonObject(extra) ? extra : {}) }).filter(
    ([name]) => !standardNames.includes(name) && (name.endsWith('_token') || (isJsonObject(extra) && Object.hasOwn(extra, name))),
  );
  const all = [...standardNames.map((name) => [name, settings[name]] as const), ...own];
  return all.flatMap(([name, value]) => (value !== undefined && tokenContent(value) !== undefined ? [[name, value] as const] : []));
}

/** @param name of the files, for messages @throws FormatError for settings that are not what they should be */
export function readTokenizerSettings(settings: JsonObject | undefined, tokenizer: JsonObject, name: string): TokenizerSettings {
  if (settings === undefined) return { added: [], splitsSpecial: false, cleansUp: false, warnings: [] };
  const where = `${name}: tokenizer_config.json`;
  const isOn = (key: string): boolean => {
    const value = settings[key];
    if (value === undefined || value === null || typeof value === 'boolean') return value === true;
    throw new FormatError(`${where}: expected ${key} to be true or false, found ${describeJson(value)}.`);
  };
  const model = isJsonObject(tokenizer['model']) ? tokenizer['model'] : {};
  const isBytePair = model['type'] === 'BPE' || model['merges'] !== undefined;
  return {
    added: addedTokens(settings, tokenizer, where),
    splitsSpecial: isOn('split_special_tokens'),
    // transformers leaves texts of BPE as they are, unless it is told twice.
    cleansUp: isOn('clean_up_tokenization_spaces') && (!isBytePair || isOn(forBytePairs)),
    warnings: [...contradictions(settings, tokenizer), ...unknownSettings(settings)].map((what) => `${where} ${what}`),
  };
}

const forBytePairs = 'clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output';

function addedTokens(settings: JsonObject, tokenizer: JsonObject, where: string): JsonObject[] {
  const table = settings['added_tokens_decoder'] ?? {};
  if (!isJsonObject(table)) throw new FormatError(`${where}: expected an object added_tokens_decoder, found ${describeJson(table)}.`);
  const listed = Array.isArray(tokenizer['added_tokens']) ? (tokenizer['added_tokens'] as readonly JsonValue[]) : [];
  const known = new Set(listed.map(tokenContent));
  const named = namedTokens(settings);
  const names = new Set(named.map(([, value]) => tokenContent(value)));
  // Without a table of its own, tokens of tokenizer.json count as if they stood there.
  const rows = Object.entries(table).sort(([a], [b]) => Number(a) - Number(b));
  const tokens = rows.length > 0 ? rows.map(([id, value]) => tableToken(value, `${where}: added_tokens_decoder[${id.slice(0, 20)}]`)) : [];
  if (settings['added_tokens_decoder'] === undefined) for (const each of listed) if (isJsonObject(each)) tokens.push(withoutId(each));
  const found = tokens.map((token) => (names.has(tokenContent(token)) ? { ...token, special: true } : token));
  for (const token of tokens) known.add(tokenContent(token));
  const extra = settings['additional_special_tokens'] ?? settings['extra_special_tokens'];
  const others = Array.isArray(extra) ? (extra as readonly JsonValue[]) : [];
  for (const value of [...named.map(([, each]) => each), ...others]) {
    const content = tokenContent(value);
    if (content === undefined || known.has(content)) continue;
    known.add(content);
    found.push(typeof value === 'string' ? { content, special: true, normalized: false } : { ...flagsOf(value), special: true });
  }
  return found;
}

function tableToken(value: JsonValue | undefined, where: string): JsonObject {
  if (tokenContent(value) === undefined || !isJsonObject(value))
    throw new FormatError(`${where}: expected a token with its content, found ${describeJson(value)}.`);
  return flagsOf(value);
}

function withoutId(token: JsonObject): JsonObject {
  const { id: _, ...rest } = token;
  return rest;
}

/** An object of tokenizer_config.json, whose tokens are normalized where they are not special and do not say so. */
function flagsOf(value: JsonValue): JsonObject {
  const { __type: _, ...token } = value as { readonly __type?: JsonValue } & JsonObject;
  return { normalized: token['special'] !== true, ...token };
}

/** Settings that a class of transformers may build its pipeline from, and what tokenizer.json does; undefined where it has no such part. */
const pipelineSettings: Readonly<Record<string, (tokenizer: JsonObject) => boolean | undefined>> = {
  add_prefix_space: (tokenizer) => {
    const bytes = partOf(tokenizer, 'pre_tokenizer', 'ByteLevel');
    if (bytes !== undefined) return bytes['add_prefix_space'] !== false;
    const scheme = prefixScheme(tokenizer);
    return scheme === undefined ? undefined : scheme !== 'never';
  },
  legacy: (tokenizer) => {
    const scheme = prefixScheme(tokenizer);
    return scheme === undefined || scheme === 'never' ? undefined : scheme === 'always';
  },
  do_lower_case: (tokenizer) => flagOfBert(tokenizer, 'lowercase') ?? partOf(tokenizer, 'normalizer', 'Lowercase') !== undefined,
  strip_accents: (tokenizer) => flagOfBert(tokenizer, 'strip_accents'),
  tokenize_chinese_chars: (tokenizer) => flagOfBert(tokenizer, 'handle_chinese_chars'),
};

function flagOfBert(tokenizer: JsonObject, flag: string): boolean | undefined {
  const value = partOf(tokenizer, 'normalizer', 'BertNormalizer')?.[flag];
  return typeof value === 'boolean' ? value : undefined;
}

/** How a space comes before the first word of a text. */
function prefixScheme(tokenizer: JsonObject): JsonValue | undefined {
  const metaspace = partOf(tokenizer, 'pre_tokenizer', 'Metaspace');
  const old = metaspace?.['add_prefix_space'] === false ? 'never' : 'always';
  const scheme = metaspace === undefined ? undefined : (metaspace['prepend_scheme'] ?? old);
  if (scheme !== undefined && scheme !== 'never') return scheme;
  return partOf(tokenizer, 'normalizer', 'Prepend') === undefined ? scheme : 'always';
}

/** The stage of that type, or the first in a sequence. */
function partOf(tokenizer: JsonObject, stage: 'normalizer' | 'pre_tokenizer', type: string): JsonObject | undefined {
  const parts: (JsonValue | undefined)[] = [tokenizer[stage]];
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at];
    if (!isJsonObject(part)) continue;
    if (part['type'] === type) return part;
    for (const key of ['normalizers', 'pretokenizers']) {
      const inner = part[key];
      if (Array.isArray(inner)) parts.push(...(inner as readonly JsonValue[]));
    }
  }
  return undefined;
}

function contradictions(settings: JsonObject, tokenizer: JsonObject): string[] {
  return Object.entries(pipelineSettings).flatMap(([key, of]) => {
    const wanted = settings[key];
    const found = of(tokenizer);
    if (typeof wanted !== 'boolean' || found === undefined || wanted === found) return [];
    return [`says ${key}: ${String(wanted)}, but tokenizer.json does as if it were ${String(found)}, and is obeyed.`];
  });
}

/** What is read here or elsewhere, and what says nothing of ids and texts of a prompt. A name may start with `*`. */
const knownSettings: readonly string[] = [
  '*_token *_token_id added_tokens_decoder additional_special_tokens extra_special_tokens model_specific_special_tokens chat_template',
  `split_special_tokens clean_up_tokenization_spaces ${forBytePairs} ${Object.keys(pipelineSettings).join(' ')}`,
  'tokenizer_class fast_tokenizer_files slow_tokenizer_class processor_class auto_map name_or_path _from_auto _commit_hash *_file',
  'sp_model_kwargs backend from_slow use_fast is_local local_files_only trust_remote_code device_map verbose transformers_version',
  'model_max_length max_length max_len model_input_names model_type padding padding_side pad_token_type_id pad_to_multiple_of',
  'truncation truncation_side truncation_strategy stride return_tensors return_token_type_ids token_type_ids_pattern',
  'errors trim_offsets use_default_system_prompt response_schema response_template never_split do_basic_tokenize',
  'spaces_between_special_tokens special_tokens tokenizer_type language task normalization',
].flatMap((names) => names.split(' '));

const mostNamed = 6;

function unknownSettings(settings: JsonObject): string[] {
  const isKnown = (key: string): boolean =>
    knownSettings.some((name) => (name.startsWith('*') ? key.endsWith(name.slice(1)) : name === key));
  const unknown = Object.entries(settings).filter(([key, value]) => !isKnown(key) && value !== null && value !== false && value !== '');
  if (unknown.length === 0) return [];
  const shown = unknown.slice(0, mostNamed).map(([key]) => JSON.stringify(key.slice(0, 60)));
  const more = unknown.length > mostNamed ? ` and ${unknown.length - mostNamed} more` : '';
  return [`has settings that are not known here and not used: ${shown.join(', ')}${more}.`];
}
