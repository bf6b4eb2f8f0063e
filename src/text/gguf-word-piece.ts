/**
 * BERT's WordPiece vocabulary in a GGUF file: `tokenizer.ggml.model` is `bert`. Tokens that begin a word have U+2581 before them, and the
 * others lack the `##` of vocab.txt. Texts become lower case, and lose their accents, unless the file says otherwise.
 */
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { metadataBoolean } from '../tensor/metadata.ts';
import { readGgufVocabulary, TOKEN_KIND } from './gguf-vocabulary.ts';
import { jsonTokenizer } from './json-tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';

const WORD_START = '\u2581';
const CONTINUED = '##';
/** What llama.cpp takes where the file has no such key: the ids of bert-base-uncased. */
const USUAL_IDS = { unknown: 100, cls: 101, sep: 102 };

/** @throws FormatError for a vocabulary that is damaged, or has no tokens to put around a text */
export function ggufWordPiece(checkpoint: Checkpoint): Tokenizer {
  const flag = (key: string, otherwise: boolean) => metadataBoolean(checkpoint.metadata, key, checkpoint.name) ?? otherwise;
  const lowercase = flag('tokenizer.ggml.normalizer.lowercase', true);
  const stripAccents = flag('tokenizer.ggml.normalizer.strip_accents', lowercase);
  const { tokens, kinds, special } = readGgufVocabulary(checkpoint);
  const isControl = (id: number) => (kinds[id]! & (TOKEN_KIND.control | TOKEN_KIND.unknown)) !== 0;
  const texts = tokens.map((token, id) => {
    if (isControl(id)) return token;
    return token.startsWith(WORD_START) ? token.slice(WORD_START.length) : `${CONTINUED}${token}`;
  });
  const textOf = (id: number, role: string) => {
    const text = texts[id];
    if (text === undefined) throw new FormatError(`${checkpoint.name}: the id ${id} of its ${role} token is outside the vocabulary.`);
    return text;
  };
  const listed = checkpoint.metadata.get('tokenizer.ggml.seperator_token_id');
  const cls = special.bos ?? USUAL_IDS.cls;
  const sep = typeof listed === 'number' ? listed : (special.eos ?? USUAL_IDS.sep);
  const unknown = textOf(special.unk ?? USUAL_IDS.unknown, 'unknown');
  const added = texts.flatMap((content, id): JsonObject[] =>
    isControl(id) ? [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }] : [],
  );
  const tokenizer: JsonObject = {
    version: '1.0',
    added_tokens: added,
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: stripAccents, lowercase },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', cls: [textOf(cls, 'cls'), cls], sep: [textOf(sep, 'separator'), sep] },
    decoder: { type: 'WordPiece', prefix: CONTINUED, cleanup: true },
    model: {
      type: 'WordPiece', unk_token: unknown, continuing_subword_prefix: CONTINUED, max_input_chars_per_word: 100,
      vocab: Object.fromEntries(texts.map((text, id) => [text, id])),
    },
  };
  return jsonTokenizer({ name: checkpoint.name, tokenizer: JSON.stringify(tokenizer) });
}
