/** BERT's WordPiece where a folder has vocab.txt alone, a token a line: what transformers' `BertTokenizer` makes of it. */
import type { JsonObject, JsonValue } from './checkpoint.ts';
import { FormatError } from './errors.ts';
import { describeJson } from './json.ts';

/** Families whose vocab.txt is that; other families' say nothing of how a text is cut. */
export const WORD_PIECE_FAMILIES: readonly string[] = ['bert', 'nomic_bert'];

export interface VocabularyFile {
  /** For messages. */
  readonly name: string;
  /** Text of vocab.txt. */
  readonly vocabulary: string;
  /** tokenizer_config.json, where there is one. */
  readonly settings: JsonObject | undefined;
}

const SPECIAL = { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' } as const;

/**
 * Such a file as a tokenizer.json.
 * @throws FormatError for a vocabulary without the tokens that go around a text, and for settings that are not obeyed
 */
export function wordPieceTokenizer({ name, vocabulary, settings = {} }: VocabularyFile): JsonObject {
  const lines = vocabulary.replace(/\r?\n$/, '').split(/\r?\n/);
  const vocab = Object.fromEntries(lines.map((token, id) => [token, id]));
  const where = `${name}: tokenizer_config.json`;
  const flag = (key: string, otherwise: boolean | null): boolean | null => {
    const value: JsonValue = settings[key] ?? otherwise;
    if (typeof value === 'boolean' || value === null) return value;
    throw new FormatError(`${where}: ${key} must be true or false, found ${describeJson(value)}.`);
  };
  if (flag('do_basic_tokenize', true) === false) throw new FormatError(`${where}: do_basic_tokenize must be true, found false.`);
  const special = Object.entries(SPECIAL).map(([key, usual]) => {
    const value = settings[key];
    const text = typeof value === 'string' ? value : usual;
    return [key, { text, id: Object.hasOwn(vocab, text) ? vocab[text] : undefined }] as const;
  });
  const tokenOf = (key: keyof typeof SPECIAL): [string, number] => {
    const { text = '', id } = Object.fromEntries(special)[key] ?? {};
    if (id === undefined) throw new FormatError(`${name}: vocab.txt must hold ${key} ${JSON.stringify(text.slice(0, 80))}, and does not.`);
    return [text, id];
  };
  const added = special.flatMap(([, { text, id }]): JsonObject[] =>
    id === undefined ? [] : [{ id, content: text, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }]);
  return {
    version: '1.0',
    added_tokens: added.toSorted((a, b) => (a['id'] as number) - (b['id'] as number)),
    normalizer: {
      type: 'BertNormalizer', clean_text: true, handle_chinese_chars: flag('tokenize_chinese_chars', true),
      strip_accents: flag('strip_accents', null), lowercase: flag('do_lower_case', true),
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', cls: tokenOf('cls_token'), sep: tokenOf('sep_token') },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece', unk_token: tokenOf('unk_token')[0], continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab,
    },
  };
}
