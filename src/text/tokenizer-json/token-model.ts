/** The `model` of a tokenizer.json: turns the pieces of a text into token ids. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { jsonFields } from '../../tensor/json-fields.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';
import { readBytePairModel } from './byte-pair-model.ts';
import { noUnknownToken, readVocabulary } from './model-vocabulary.ts';
import type { TokenModel } from './model-vocabulary.ts';
import { readUnigramModel } from './unigram-model.ts';
import { readWordPieceModel } from './word-piece-model.ts';

const modelTypes = ['BPE', 'Unigram', 'WordPiece', 'WordLevel'] as const;

/** @throws FormatError */
export function readTokenModel(value: JsonValue | undefined, file: string): TokenModel {
  if (!isJsonObject(value)) throw new FormatError(`${file}: expected an object "model", found ${describeJson(value)}.`);
  const fields = jsonFields(value, `${file}: model`);
  const type = fields.oneOf('type', modelTypes, typeOfOldFile(value));
  const model = read(type, fields);
  fields.end();
  return model;
}

function read(type: TokenModel['type'], fields: JsonFields): TokenModel {
  switch (type) {
    case 'BPE':
      return readBytePairModel(fields);
    case 'Unigram':
      return readUnigramModel(fields);
    case 'WordPiece':
      return readWordPieceModel(fields);
    case 'WordLevel':
      return readWordLevelModel(fields);
    default:
      return type satisfies never;
  }
}

/** Old files name no type. */
function typeOfOldFile(model: JsonObject): TokenModel['type'] {
  if (Array.isArray(model['merges'])) return 'BPE';
  if (Array.isArray(model['vocab'])) return 'Unigram';
  return model['continuing_subword_prefix'] === undefined ? 'WordLevel' : 'WordPiece';
}

function readWordLevelModel(fields: JsonFields): TokenModel {
  const vocabulary = readVocabulary(fields);
  const unknown = fields.text('unk_token');
  const unknownId = vocabulary.idOf.get(unknown);
  return {
    type: 'WordLevel',
    vocabulary,
    unknownId,
    encode: (text) => [vocabulary.idOf.get(text) ?? unknownId ?? noUnknownToken(text, unknown)],
  };
}
