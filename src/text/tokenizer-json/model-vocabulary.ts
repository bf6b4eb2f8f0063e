/** What the models of a tokenizer.json share: the vocabulary, and what becomes of text that is not in it. */
import { FormatError, InputError } from '../../tensor/errors.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';

/** Tokens of a model and their ids, before added tokens. */
export interface ModelVocabulary {
  readonly idOf: ReadonlyMap<string, number>;
  /** By id; undefined where an id is not used. */
  readonly texts: readonly (string | undefined)[];
  /** Tokens that the file lists; added tokens without an id of the model's come behind as many. */
  readonly size: number;
}

export interface TokenModel {
  readonly type: 'BPE' | 'Unigram' | 'WordPiece' | 'WordLevel';
  readonly vocabulary: ModelVocabulary;
  readonly unknownId: number | undefined;
  /** Ids of a piece that is not empty. @throws InputError for an unknown character where the model has no unknown token */
  encode(text: string): readonly number[];
}

const maxVocabSize = 4_000_000;

/** A `vocab` of tokens and ids. */
export function readVocabulary(fields: JsonFields): ModelVocabulary {
  const vocab = fields.value('vocab');
  if (!isJsonObject(vocab)) return fields.fail('vocab', 'an object of tokens and ids');
  const idOf = new Map<string, number>();
  const texts: (string | undefined)[] = [];
  for (const text of Object.keys(vocab)) {
    const id = vocab[text];
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= maxVocabSize) {
      throw new FormatError(`${fields.where}.vocab: the token ${JSON.stringify(text.slice(0, 60))} has the id ${describeJson(id)}.`);
    }
    idOf.set(text, id);
    texts[id] = text;
  }
  return { idOf, texts, size: idOf.size };
}

/** Python raises here too. */
export function noUnknownToken(text: string, name: string | undefined): never {
  const shown = JSON.stringify(Array.from(text).slice(0, 20).join(''));
  const reason =
    name === undefined ? 'names no unknown token' : `its unknown token ${JSON.stringify(name.slice(0, 40))} is not in its vocabulary`;
  throw new InputError(`The tokenizer has no token for ${shown}, and ${reason}.`);
}

/** Ids of the tokens <0x00> to <0xFF>, -1 where the vocabulary has none. */
export function byteTokenIds(idOf: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => idOf.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`) ?? -1);
}
