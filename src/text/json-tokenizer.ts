/**
 * A tokenizer from a Hugging Face tokenizer.json. Normaliser, pre-tokenizer, model and post-processor are those of
 * @huggingface/tokenizers; added tokens are found here, because that library has no way to leave special ones alone,
 * and so is text from ids, because its decoder takes whole texts only.
 */
import { Tokenizer as Library } from '@huggingface/tokenizers';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { createAddedTokenSplitter } from './added-tokens.ts';
import { bytesOfAlphabetText } from '../tensor/byte-alphabet.ts';
import { wellKnownEndIds } from './end-token-names.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { readTokenTable } from './json-token-table.ts';
import type { TokenTable } from './json-token-table.ts';
import { createTokenizer } from './tokenizer.ts';
import type { SpecialTokens, Tokenizer, TokenizerParts } from './tokenizer.ts';
import { idList, isJsonObject } from '../tensor/json.ts';

export interface JsonTokenizerSources {
  /** Where they are from, for messages. */
  readonly name: string;
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  /** tokenizer_config.json, generation_config.json and config.json, where there are any. */
  readonly settings?: JsonObject | undefined;
  readonly generation?: JsonObject | undefined;
  readonly config?: JsonObject | undefined;
}

/** @throws FormatError for text that is not JSON, or a tokenizer that is damaged or of an unsupported kind */
export function jsonTokenizer(sources: JsonTokenizerSources): Tokenizer {
  const where = `${sources.name}: tokenizer.json`;
  const json = parseJsonObject(sources.tokenizer, where);
  const table = readTokenTable(json, where);
  const library = createLibrary(json, sources.settings, where);
  const special = specialTokens(table, sources);
  const { prefixIds, suffixIds } = surroundings(library, table);
  const { bytesOf, stripLeadingSpace } = createTokenWriter(json, table);
  return createTokenizer({
    kind: `${String(table.modelType)} (tokenizer.json)`,
    vocabSize: table.texts.length,
    special,
    endIds: endIds(table, special, sources),
    prefixIds,
    suffixIds,
    stripLeadingSpace,
    encodeBody: bodyEncoder(library, table),
    tokenBytes: bytesOf,
    tokenText: (id) => table.texts[id] ?? '',
    idOf: (text) => table.idOf.get(text),
    isSpecial: (id) => table.specialIds.has(id),
  });
}

function createLibrary(json: JsonObject, settings: JsonObject | undefined, where: string): Library {
  const withoutAdded = { ...json, added_tokens: [] };
  try {
    return new Library(withoutAdded, settings ?? {});
  } catch (error) {
    throw new FormatError(`${where} cannot be used: ${(error as Error).message}. Expected BPE or Unigram as transformers writes it.`, {
      cause: error,
    });
  }
}

function bodyEncoder(library: Library, table: TokenTable): TokenizerParts['encodeBody'] {
  const normalize = (text: string): string => (library.normalizer ? library.normalizer(text) : text);
  const splitRaw = createAddedTokenSplitter(table.added.filter((token) => !token.normalized), 'leftmost');
  const splitNormalized = createAddedTokenSplitter(
    table.added.flatMap((token) => (token.normalized ? [{ ...token, text: normalize(token.text) }] : [])),
    'leftmost',
  );

  const encodePlain = (text: string, sectionIndex: number): number[] => {
    const words = library.pre_tokenizer ? library.pre_tokenizer(text, { section_index: sectionIndex }) : [text];
    const tokens = library.model!(words) as string[];
    return tokens.flatMap((token) => table.idOf.get(token) ?? table.unknownId ?? []);
  };

  return (text, allowSpecial) => {
    const ids: number[] = [];
    let from = 0;
    splitRaw(text, allowSpecial).forEach((section, index) => {
      const length = (typeof section === 'number' ? table.texts[section]! : section).length;
      const start = text.indexOf(typeof section === 'number' ? table.texts[section]! : section, from);
      from = start + length;
      if (typeof section === 'number') {
        ids.push(section);
        return;
      }
      // The normaliser moves places within a section, so there the section is allowed or not as a whole.
      const allowed = allowSpecial(start, from);
      for (const part of splitNormalized(normalize(section), () => allowed)) {
        if (typeof part === 'number') ids.push(part);
        else if (part !== '') for (const id of encodePlain(part, index)) ids.push(id);
      }
    });
    return ids;
  };
}

/** What the post-processor puts before and after a text, found by showing it a text of one marked token. */
function surroundings(library: Library, table: TokenTable): { prefixIds: number[]; suffixIds: number[] } {
  const marker = '\u0000marker';
  const process = library.post_processor as ((tokens: string[], pair: null, addSpecial: boolean) => { tokens: string[] }) | null;
  const tokens = process ? process([marker], null, true).tokens : [marker];
  const at = tokens.indexOf(marker);
  const idsOf = (texts: readonly string[]): number[] => texts.flatMap((text) => table.idOf.get(text) ?? []);
  return at < 0 ? { prefixIds: [], suffixIds: [] } : { prefixIds: idsOf(tokens.slice(0, at)), suffixIds: idsOf(tokens.slice(at + 1)) };
}

function specialTokens(table: TokenTable, { settings, generation, config }: JsonTokenizerSources): SpecialTokens {
  const find = (key: string): number | undefined => {
    const named = tokenText(settings?.[`${key}_token`]);
    const id = named === undefined ? undefined : table.idOf.get(named);
    const listed = [...idList(generation?.[`${key}_token_id`]), ...idList(config?.[`${key}_token_id`])];
    return id ?? listed.find((candidate) => candidate < table.texts.length);
  };
  const eos = find('eos');
  const others = wellKnownEndIds((text) => table.idOf.get(text)).filter((id) => id !== eos && table.specialIds.has(id));
  const listed = idList(generation?.['eos_token_id']);
  return {
    bos: find('bos'),
    eos,
    eot: others.find((id) => listed.length === 0 || listed.includes(id)),
    eom: others.find((id) => table.texts[id] === '<|eom_id|>'),
    pad: find('pad'),
    unk: find('unk') ?? table.unknownId,
  };
}

/** A token in tokenizer_config.json is its text, or an object that holds it. */
function tokenText(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  const content = isJsonObject(value) ? value['content'] : undefined;
  return typeof content === 'string' ? content : undefined;
}

/** The file's own list; where it has none, tokens that are known to end answers. */
function endIds(table: TokenTable, special: SpecialTokens, { generation, config }: JsonTokenizerSources): Set<number> {
  const listed = [...idList(generation?.['eos_token_id']), ...idList(config?.['eos_token_id'])];
  const ids = new Set(listed.filter((id) => id < table.texts.length));
  if (special.eos !== undefined) ids.add(special.eos);
  if (idList(generation?.['eos_token_id']).length > 0) return ids;
  for (const id of wellKnownEndIds((text) => table.idOf.get(text))) if (table.specialIds.has(id)) ids.add(id);
  return ids;
}

const metaspace = '\u2581';
const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;

/** How tokens become bytes: by the alphabet of byte-level decoders, or as UTF-8 with U+2581 for spaces. */
function createTokenWriter(json: JsonObject, table: TokenTable) {
  const steps = decoderSteps(json['decoder']);
  const types = new Set(steps.map((step) => step['type']));
  const utf8 = new TextEncoder();
  const bytesOf = (id: number): Uint8Array => {
    const text = table.texts[id];
    if (text === undefined) return new Uint8Array(0);
    if (table.addedIds.has(id)) return utf8.encode(text);
    if (types.has('ByteLevel')) return bytesOfAlphabetText(text) ?? utf8.encode(text);
    const hex = types.has('ByteFallback') ? byteToken.exec(text)?.[1] : undefined;
    if (hex !== undefined) return Uint8Array.of(Number.parseInt(hex, 16));
    return utf8.encode(text.replaceAll(metaspace, ' '));
  };
  const strips = steps.some(
    (step) =>
      (step['type'] === 'Strip' && step['start'] === 1) ||
      (step['type'] === 'Metaspace' && step['prepend_scheme'] !== 'never' && step['add_prefix_space'] !== false),
  );
  return { bytesOf, stripLeadingSpace: strips };
}

function decoderSteps(decoder: JsonValue | undefined): JsonObject[] {
  if (!isJsonObject(decoder)) return [];
  const { decoders } = decoder;
  return Array.isArray(decoders) ? decoders.flatMap((step: JsonValue) => decoderSteps(step)) : [decoder];
}
