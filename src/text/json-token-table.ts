/** Tokens and ids of a tokenizer.json, checked before anything is built from them. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import type { AddedToken } from './added-tokens.ts';
import { describeJson, isJsonObject } from '../tensor/json.ts';

export interface JsonAddedToken extends AddedToken {
  readonly special: boolean;
  /** Looked for in the text after the normaliser, not before. */
  readonly normalized: boolean;
}

export interface TokenTable {
  readonly modelType: string;
  /** By id; undefined where an id is not used. */
  readonly texts: readonly (string | undefined)[];
  readonly idOf: ReadonlyMap<string, number>;
  readonly added: readonly JsonAddedToken[];
  readonly addedIds: ReadonlySet<number>;
  readonly specialIds: ReadonlySet<number>;
  readonly unknownId: number | undefined;
}

const maxVocabSize = 4_000_000;
const modelTypes = ['BPE', 'Unigram'];

export function readTokenTable(json: JsonObject, where: string): TokenTable {
  const { model } = json;
  if (!isJsonObject(model)) throw new FormatError(`${where}: expected an object "model", found ${describeJson(model)}.`);
  const modelType = typeof model['type'] === 'string' ? model['type'] : Array.isArray(model['merges']) ? 'BPE' : 'of no type';
  if (!modelTypes.includes(modelType)) {
    throw new FormatError(`${where}: the model is ${modelType.slice(0, 60)}; expected ${modelTypes.join(' or ')}.`);
  }
  const texts: (string | undefined)[] = [];
  const idOf = new Map<string, number>();
  const put = (text: string, id: JsonValue | undefined, what: string): number => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= maxVocabSize) {
      throw new FormatError(`${where}: ${what} ${JSON.stringify(text.slice(0, 60))} has the id ${describeJson(id)}.`);
    }
    texts[id] = text;
    idOf.set(text, id);
    return id;
  };
  for (const [text, id] of vocabularyEntries(model, where)) put(text, id, 'the token');
  if (modelType === 'BPE') checkMerges(model['merges'], idOf, { model, where });
  const added = readAddedTokens(json['added_tokens'], where);
  for (const token of added) put(token.text, token.id, 'the added token');
  if (texts.length === 0) throw new FormatError(`${where}: the vocabulary is empty.`);
  return {
    modelType,
    texts: Array.from(texts),
    idOf,
    added,
    addedIds: new Set(added.map((token) => token.id)),
    specialIds: new Set(added.filter((token) => token.special).map((token) => token.id)),
    unknownId: unknownId(model, idOf),
  };
}

function vocabularyEntries(model: JsonObject, where: string): readonly (readonly [string, JsonValue | undefined])[] {
  const { vocab } = model;
  if (isJsonObject(vocab)) return Object.entries(vocab);
  if (!Array.isArray(vocab)) throw new FormatError(`${where}: expected model.vocab, found ${describeJson(vocab)}.`);
  return vocab.map((entry: JsonValue, id) => {
    const [text, score] = Array.isArray(entry) ? (entry as readonly JsonValue[]) : [];
    if (typeof text === 'string' && typeof score === 'number') return [text, id] as const;
    throw new FormatError(`${where}: expected a token and a score at model.vocab[${id}], found ${describeJson(entry)}.`);
  });
}

function checkMerges(merges: JsonValue | undefined, idOf: ReadonlyMap<string, number>, { model, where }: { model: JsonObject; where: string }): void {
  if (!Array.isArray(merges)) throw new FormatError(`${where}: expected an array model.merges, found ${describeJson(merges)}.`);
  const suffix = model['continuing_subword_prefix'];
  const plain = suffix === undefined || suffix === null || suffix === '';
  (merges as readonly JsonValue[]).forEach((merge, rank) => {
    const pair: readonly JsonValue[] = Array.isArray(merge) ? merge : typeof merge === 'string' ? merge.split(' ', 2) : [];
    const [left, right] = pair;
    const known = typeof left === 'string' && typeof right === 'string' && (!plain || (idOf.has(left) && idOf.has(right) && idOf.has(left + right)));
    if (known) return;
    throw new FormatError(
      `${where}: model.merges[${rank}] is ${JSON.stringify(merge).slice(0, 100)}; expected two tokens of the vocabulary that make a third.`,
    );
  });
}

function readAddedTokens(value: JsonValue | undefined, where: string): JsonAddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new FormatError(`${where}: expected an array added_tokens, found ${describeJson(value)}.`);
  return (value as readonly JsonValue[]).map((item, index) => {
    const { id, content } = isJsonObject(item) ? item : ({} as JsonObject);
    if (!isJsonObject(item) || typeof id !== 'number' || typeof content !== 'string') {
      throw new FormatError(`${where}: expected an id and content at added_tokens[${index}], found ${describeJson(item)}.`);
    }
    return {
      id,
      text: content,
      special: item['special'] === true,
      normalized: item['normalized'] === true,
      stripLeft: item['lstrip'] === true,
      stripRight: item['rstrip'] === true,
      wholeWord: item['single_word'] === true,
    };
  });
}

function unknownId(model: JsonObject, idOf: ReadonlyMap<string, number>): number | undefined {
  const { unk_token: text, unk_id: id } = model;
  if (typeof text === 'string') return idOf.get(text);
  return typeof id === 'number' ? id : undefined;
}
