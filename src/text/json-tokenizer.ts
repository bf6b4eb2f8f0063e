/**
 * A tokenizer from a Hugging Face tokenizer.json: gives the ids and texts of the library tokenizers 0.23.2, or refuses the
 * file by the name of what it does not know. The parts are in tokenizer-json/.
 */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { bytesOfAlphabetText } from '../tensor/byte-alphabet.ts';
import { FormatError } from '../tensor/errors.ts';
import { idList, isJsonObject } from '../tensor/json.ts';
import { addedAround, readPostProcessor } from '../tensor/post-processor.ts';
import { wellKnownEndIds } from './end-token-names.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import type { StreamDecoder, StreamDecoderOptions } from './stream-decoder.ts';
import { readAddedTokens } from './tokenizer-json/added-vocabulary.ts';
import type { JsonAddedToken } from './tokenizer-json/added-vocabulary.ts';
import { readDecoder } from './tokenizer-json/decoder.ts';
import type { Decoder } from './tokenizer-json/decoder.ts';
import { readEncodeLimits } from './tokenizer-json/encode-limits.ts';
import { readNormalizer } from './tokenizer-json/normalizer.ts';
import { cleanUpStream } from './tokenizer-json/clean-up.ts';
import { readPreTokenizer } from './tokenizer-json/pre-tokenizer.ts';
import { createTextEncoder } from './tokenizer-json/text-encoder.ts';
import { readTokenizerSettings, tokenContent } from './tokenizer-json/tokenizer-settings.ts';
import { readTokenModel } from './tokenizer-json/token-model.ts';
import type { TokenModel } from './tokenizer-json/model-vocabulary.ts';
import { createTokenizer } from './tokenizer.ts';
import type { SpecialTokens, TextJoining, Tokenizer } from './tokenizer.ts';

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
  const file = `${sources.name}: tokenizer.json`;
  const json = parseJsonObject(sources.tokenizer, file);
  if (json['version'] !== undefined && json['version'] !== '1.0') {
    throw new FormatError(`${file}: the version is ${JSON.stringify(json['version']).slice(0, 40)}; expected "1.0".`);
  }
  const model = readTokenModel(json['model'], file);
  const normalize = readNormalizer(json['normalizer'], `${file}: normalizer`);
  const settings = readTokenizerSettings(sources.settings, json, sources.name);
  const added = readAddedTokens(json['added_tokens'], file, { model: model.vocabulary, normalize, more: settings.added });
  const table = tokenTable(model, added);
  if (table.texts.length === 0) throw new FormatError(`${file}: the vocabulary is empty.`);
  const surroundings = readPostProcessor(json['post_processor'], `${file}: post_processor`);
  const named = specialTokens(table, sources);
  const special = { ...named, bos: named.bos ?? surroundings.before[0] };
  const { before, after } = addedAround(surroundings, { ...special, settings: sources.settings });
  const outside = [...before, ...after].find((id) => id >= table.texts.length);
  if (outside !== undefined) {
    throw new FormatError(`${file}: post_processor adds the id ${outside}, which is outside the vocabulary of ${table.texts.length}.`);
  }
  const preTokenize = readPreTokenizer(json['pre_tokenizer'], `${file}: pre_tokenizer`);
  const decode = readDecoder(json['decoder'], `${file}: decoder`);
  const encode = createTextEncoder({ added, normalize, preTokenize, model });
  const isByteLevel = decoderTypes(json['decoder']).includes('ByteLevel');
  return createTokenizer({
    kind: `${model.type} (tokenizer.json)`,
    vocabSize: table.texts.length,
    special,
    endIds: endIds(table, special, sources),
    prefixIds: before,
    suffixIds: after,
    stripLeadingSpace: false,
    limits: readEncodeLimits(json, file),
    joining: joiningOf(decoderTypes(json['decoder']), settings.cleansUp),
    warnings: settings.warnings,
    streamDecoder: (options) => {
      const stream = createTokenStream(table, decode, options);
      return settings.cleansUp && options.cleanUp !== false ? cleanUpStream(stream) : stream;
    },
    encodeBody: settings.splitsSpecial ? (text) => encode(text, () => false) : encode,
    tokenBytes: tokenByteReader(table, isByteLevel),
    tokenText: (id) => table.texts[id] ?? '',
    idOf: (text) => table.idOf(text),
    isSpecial: (id) => table.specialIds.has(id),
  });
}

interface TokenTable {
  /** By id; undefined where an id is not used. */
  readonly texts: readonly (string | undefined)[];
  /** What decoding begins with, where it is not the text. */
  readonly decoded: ReadonlyMap<number, string>;
  readonly addedIds: ReadonlySet<number>;
  readonly specialIds: ReadonlySet<number>;
  /** Texts that decoding leaves out where special tokens are skipped. */
  readonly specialTexts: ReadonlySet<string>;
  readonly unknownId: number | undefined;
  idOf(text: string): number | undefined;
}

function tokenTable(model: TokenModel, added: readonly JsonAddedToken[]): TokenTable {
  const texts = Array.from(model.vocabulary.texts);
  const addedIds = new Map<string, number>();
  for (const { id, text } of added) {
    texts[id] = text;
    addedIds.set(text, id);
  }
  const special = added.filter((token) => token.special);
  return {
    texts: Array.from(texts),
    decoded: new Map(added.filter(({ text, pattern }) => text !== pattern).map(({ id, pattern }) => [id, pattern])),
    addedIds: new Set(addedIds.values()),
    specialIds: new Set(special.map((token) => token.id)),
    specialTexts: new Set(special.map((token) => token.text)),
    unknownId: model.unknownId,
    idOf: (text) => addedIds.get(text) ?? model.vocabulary.idOf.get(text),
  };
}

/** Runs the stages of the decoder over ids. */
function createTokenStream(table: TokenTable, decode: Decoder, options: StreamDecoderOptions): StreamDecoder {
  const { skipSpecial = false, atStart = false } = options;
  let written = '';
  const write = (text: string): void => void (written += text);
  const open = () => decode({ token: write, begin: () => undefined, grow: write, end: () => undefined }, { atStart });
  const take = (): string => {
    const text = written;
    written = '';
    return text;
  };
  let sink = open();
  return {
    push(id) {
      const token = table.decoded.get(id) ?? table.texts[id];
      if (token !== undefined && !(skipSpecial && table.specialTexts.has(token))) sink.token(token);
      return take();
    },
    flush() {
      sink.end();
      sink = open();
      return take();
    },
  };
}

function specialTokens(table: TokenTable, { settings, generation, config }: JsonTokenizerSources): SpecialTokens {
  const find = (key: string): number | undefined => {
    const named = tokenContent(settings?.[`${key}_token`]);
    const id = named === undefined ? undefined : table.idOf(named);
    const listed = [...idList(generation?.[`${key}_token_id`]), ...idList(config?.[`${key}_token_id`])];
    return id ?? listed.find((candidate) => candidate < table.texts.length);
  };
  const eos = find('eos');
  const others = wellKnownEndIds((text) => table.idOf(text)).filter((id) => id !== eos && table.specialIds.has(id));
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

/** The file's own list; where it has none, tokens that are known to end answers. */
function endIds(table: TokenTable, special: SpecialTokens, { generation, config }: JsonTokenizerSources): Set<number> {
  const listed = [...idList(generation?.['eos_token_id']), ...idList(config?.['eos_token_id'])];
  const ids = new Set(listed.filter((id) => id < table.texts.length));
  if (special.eos !== undefined) ids.add(special.eos);
  if (idList(generation?.['eos_token_id']).length > 0) return ids;
  for (const id of wellKnownEndIds((text) => table.idOf(text))) if (table.specialIds.has(id)) ids.add(id);
  return ids;
}

const metaspace = '\u2581';
const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;

/** The bytes of a token by itself: by the byte alphabet, or as UTF-8 with U+2581 for spaces. */
function tokenByteReader({ texts, addedIds }: TokenTable, isByteLevel: boolean): (id: number) => Uint8Array {
  const utf8 = new TextEncoder();
  return (id) => {
    const text = texts[id] ?? '';
    if (addedIds.has(id)) return utf8.encode(text);
    if (isByteLevel) return bytesOfAlphabetText(text) ?? utf8.encode(text);
    const hex = byteToken.exec(text)?.[1];
    return hex === undefined ? utf8.encode(text.replaceAll(metaspace, ' ')) : Uint8Array.of(Number.parseInt(hex, 16));
  };
}

/** Stages that make bytes of a token's own text and join them: `tokenByteReader` does the same, but for what a text begins with. */
const JOINING_STAGES: ReadonlySet<string> = new Set(['Sequence', 'ByteLevel', 'Replace', 'ByteFallback', 'Fuse', 'Strip', 'Metaspace']);

function joiningOf(stages: readonly string[], cleansUp: boolean): TextJoining {
  if (stages.length === 0 || !stages.every((stage) => JOINING_STAGES.has(stage))) return 'rules';
  return cleansUp ? 'cleaned' : 'bytes';
}

function decoderTypes(decoder: JsonValue | undefined): string[] {
  if (!isJsonObject(decoder)) return [];
  const { type, decoders } = decoder;
  const inner = Array.isArray(decoders) ? (decoders as readonly JsonValue[]).flatMap(decoderTypes) : [];
  return typeof type === 'string' ? [type, ...inner] : inner;
}
