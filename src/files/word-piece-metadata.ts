/**
 * BERT's WordPiece as GGUF has it (`tokenizer.ggml.model` is `bert`): U+2581 before tokens that begin a word, no `##` before the others.
 * As llama.cpp's conversion/bert.py writes it, and its `llm_tokenizer_wpm` reads it.
 */
import { FormatError } from '../tensor/errors.ts';
import { bool, int32s, string, strings, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { jsonFields } from '../tensor/json-fields.ts';
import { isJsonObject } from '../tensor/json.ts';
import { readPostProcessor } from '../tensor/post-processor.ts';
import { LEAVE_OUT, TOKEN_TYPES, tokenTable } from './token-table.ts';
import type { TokenizerFile } from './token-table.ts';

const WORD_START = '\u2581';
const CONTINUED = '##';
/** Longer words are unknown; what BERT's files all say. */
const LONGEST_WORD = 100;

/** @throws FormatError for a tokenizer that is not as BERT's, of which GGUF can only say lower case and accents */
export function wordPieceMetadata(file: TokenizerFile): GgufMetadata {
  const { tokenizer, model, where } = file;
  const refuse = (what: string): never => {
    throw new FormatError(`${where}: GGUF has no way to say ${what}. ${LEAVE_OUT}`);
  };
  const prefix = model['continuing_subword_prefix'];
  if (prefix !== CONTINUED) refuse(`that the pieces of a word begin with ${JSON.stringify(prefix)}`);
  const longest = model['max_input_chars_per_word'] ?? LONGEST_WORD;
  if (longest !== LONGEST_WORD) refuse(`that words of more than ${JSON.stringify(longest)} characters are unknown`);
  const splits = isJsonObject(tokenizer['pre_tokenizer']) ? tokenizer['pre_tokenizer']['type'] : undefined;
  if (splits !== 'BertPreTokenizer') refuse(`the pre_tokenizer ${JSON.stringify(splits ?? null)}`);
  const { tokens, types, idOf } = tokenTable(file);
  const written = tokens.map((token, id) => {
    if (types[id] !== TOKEN_TYPES.normal) return token;
    return token.startsWith(CONTINUED) ? token.slice(CONTINUED.length) : `${WORD_START}${token}`;
  });
  const firstOf = new Map(written.map((token, id) => [token, id] as const).toReversed());
  const twice = written.find((token, id) => firstOf.get(token) !== id);
  if (twice !== undefined) refuse(`two tokens that it writes as ${JSON.stringify(twice)}`);
  const { before, after } = readPostProcessor(tokenizer['post_processor'], `${where}: post_processor`);
  const [cls, sep] = [before[0], after[0]];
  if (cls === undefined || sep === undefined || before.length + after.length > 2)
    return refuse(`the ids ${before.join(', ') || 'none'} before a text and ${after.join(', ') || 'none'} behind it: it has one each`);
  const unknown = idOf.get(String(model['unk_token']));
  return new Map([
    ['tokenizer.ggml.model', string('bert')],
    ['tokenizer.ggml.pre', string('default')],
    ['tokenizer.ggml.tokens', strings(written)],
    ['tokenizer.ggml.token_type', int32s(types)],
    ['tokenizer.ggml.bos_token_id', uint32(cls)],
    ['tokenizer.ggml.eos_token_id', uint32(sep)],
    ['tokenizer.ggml.seperator_token_id', uint32(sep)],
    ...(unknown === undefined ? [] : [['tokenizer.ggml.unknown_token_id', uint32(unknown)] as const]),
    ...normalizerMetadata(file, refuse),
  ]);
}

/** Accents go with lower case where nothing else is said. */
function normalizerMetadata({ tokenizer, where }: TokenizerFile, refuse: (what: string) => never): GgufMetadata {
  const normalizer = tokenizer['normalizer'];
  const type = isJsonObject(normalizer) ? normalizer['type'] : undefined;
  if (type !== 'BertNormalizer') return refuse(`the normalizer ${JSON.stringify(type ?? null)}`);
  const fields = jsonFields(normalizer, `${where}: normalizer`);
  for (const key of ['clean_text', 'handle_chinese_chars']) if (!fields.flag(key, true)) refuse(`${key} false`);
  const lowercase = fields.flag('lowercase', true);
  return new Map([
    ['tokenizer.ggml.normalizer.lowercase', bool(lowercase)],
    ['tokenizer.ggml.normalizer.strip_accents', bool(fields.flag('strip_accents', lowercase))],
  ]);
}
