/** The tokens of a tokenizer.json by id, with the types that GGUF has for them. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';

/** llama.h `enum llama_token_type`. */
export const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** What remains for a tokenizer that GGUF cannot say. */
export const LEAVE_OUT = 'Convert with `--vocabulary none` or `made`, which leave the tokenizer out.';

/** A tokenizer.json that is being converted. */
export interface TokenizerFile {
  readonly tokenizer: JsonObject;
  readonly model: JsonObject;
  /** Rows of the embedding: ids without a token are unused ones. */
  readonly vocabSize: number;
  /** For messages. */
  readonly where: string;
}

export interface TokenTable {
  /** By id. */
  readonly tokens: string[];
  /** By id, of {@link TOKEN_TYPES}. */
  readonly types: Int32Array;
  readonly idOf: ReadonlyMap<string, number>;
}

interface AddedToken {
  readonly id: number;
  readonly text: string;
  readonly special: boolean;
}

/** @throws FormatError for ids that are none, or beyond the model's rows */
export function tokenTable({ tokenizer, model, vocabSize, where }: TokenizerFile): TokenTable {
  const tokens: string[] = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const types = new Int32Array(vocabSize).fill(TOKEN_TYPES.unused);
  const idOf = new Map<string, number>();
  const put = (id: JsonValue | undefined, text: string, type: number) => {
    if (!Number.isInteger(id) || (id as number) < 0) {
      throw new FormatError(`${where}: token ${JSON.stringify(text)} has the id ${JSON.stringify(id)}.`);
    }
    if ((id as number) >= vocabSize) {
      throw new FormatError(
        `${where}: token ${JSON.stringify(text)} has the id ${id as number}, but the model has ${vocabSize} rows. ` +
          'They do not belong together.',
      );
    }
    tokens[id as number] = text;
    types[id as number] = type;
    idOf.set(text, id as number);
  };
  for (const [text, id] of Object.entries(objectAt(model, 'vocab', where))) put(id, text, TOKEN_TYPES.normal);
  for (const { id, text, special } of addedTokens(tokenizer, where)) put(id, text, special ? TOKEN_TYPES.control : TOKEN_TYPES.userDefined);
  return { tokens, types, idOf };
}

function addedTokens(tokenizer: JsonObject, where: string): AddedToken[] {
  const added = tokenizer['added_tokens'] ?? [];
  if (!Array.isArray(added)) throw new FormatError(`${where}: added_tokens must be an array.`);
  return (added as JsonValue[]).map((entry) => {
    const { id, content, special } = (entry ?? {}) as { id?: number; content?: JsonValue; special?: JsonValue };
    if (typeof id !== 'number' || typeof content !== 'string') {
      throw new FormatError(`${where}: an added token must have an id and content, found ${JSON.stringify(entry).slice(0, 120)}.`);
    }
    return { id, text: content, special: special === true };
  });
}

export function objectAt(object: JsonObject, key: string, where: string): JsonObject {
  const value = object[key];
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new FormatError(
    `${where} must hold an object ${JSON.stringify(key)}, found ${value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60)}.`,
  );
}
