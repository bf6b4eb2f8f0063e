/** The `added_tokens` of a tokenizer.json: tokens that are found in a text before the model sees it. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { jsonFields } from '../../tensor/json-fields.ts';
import { describeJson } from '../../tensor/json.ts';
import type { ModelVocabulary } from './model-vocabulary.ts';
import type { Normalizer } from './normalizer.ts';
import { wholeText } from './text-piece.ts';

export interface JsonAddedToken {
  readonly id: number;
  /** As the file has it. */
  readonly text: string;
  /** What is looked for, and what decoding begins with: the text, through the normaliser where it is `normalized`. */
  readonly pattern: string;
  readonly special: boolean;
  /** Looked for in the text after the normaliser, not before. */
  readonly normalized: boolean;
  readonly stripLeft: boolean;
  readonly stripRight: boolean;
  readonly wholeWord: boolean;
}

const maxTokenUnits = 4096;

interface AddedTokenContext {
  readonly model: ModelVocabulary;
  readonly normalize: Normalizer;
  /** Tokens that other files add, without ids. What is added again takes the flags that it has last, and stays special. */
  readonly more?: readonly JsonObject[] | undefined;
}

/**
 * Reads the tokens and gives each its id: the model's where its vocabulary has the text, else the next one after the
 * vocabulary, as tokenizers does whatever the file says. @throws FormatError where the file says another id
 */
export function readAddedTokens(
  value: JsonValue | undefined,
  file: string,
  { model, normalize, more = [] }: AddedTokenContext,
): JsonAddedToken[] {
  const listed = value ?? [];
  if (!Array.isArray(listed)) throw new FormatError(`${file}: expected an array added_tokens, found ${describeJson(value)}.`);
  const byText = new Map<string, JsonAddedToken>();
  let next = model.size;
  const add = (item: JsonValue, where: string, hasId: boolean): void => {
    const fields = jsonFields(item, where);
    const text = fields.text('content');
    const declared = hasId ? fields.count('id') : undefined;
    const token = {
      text,
      special: fields.flag('special', false),
      normalized: fields.flag('normalized', false),
      stripLeft: fields.flag('lstrip', false),
      stripRight: fields.flag('rstrip', false),
      wholeWord: fields.flag('single_word', false),
    };
    fields.end();
    if (text === '') return;
    if (text.length > maxTokenUnits) fields.fail('content', `at most ${maxTokenUnits} characters`);
    const id = byText.get(text)?.id ?? model.idOf.get(text) ?? next++;
    if (declared !== undefined && id !== declared)
      fields.fail('id', `${id} for ${JSON.stringify(text.slice(0, 60))}, which is the id that tokenizers gives it`);
    const special = token.special || (byText.get(text)?.special ?? false);
    byText.set(text, { ...token, special, id, pattern: token.normalized ? normalize(wholeText(text)).text : text });
  };
  (listed as readonly JsonValue[]).forEach((item, index) => add(item, `${file}: added_tokens[${index}]`, true));
  for (const token of more) add(token, `${file}: a token of tokenizer_config.json`, false);
  const tokens = [...byText.values()];
  checkPatterns(tokens, file);
  return tokens;
}

/** tokenizers takes one by chance where two tokens look the same after the normaliser. */
function checkPatterns(tokens: readonly JsonAddedToken[], file: string): void {
  const seen = new Map<string, string>();
  for (const { text, pattern, normalized } of tokens) {
    if (pattern === '') {
      throw new FormatError(
        `${file}: the normalizer leaves nothing of the added token ${JSON.stringify(text)}. Set its "normalized" to false.`,
      );
    }
    const key = `${String(normalized)} ${pattern}`;
    const other = seen.get(key);
    if (other !== undefined) {
      throw new FormatError(
        `${file}: the added tokens ${JSON.stringify(other)} and ${JSON.stringify(text)} are the same after the normalizer.`,
      );
    }
    seen.set(key, text);
  }
}
