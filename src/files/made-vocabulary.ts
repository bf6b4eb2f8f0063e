/**
 * A made-up byte-level BPE vocabulary: 256 bytes, then merges of letters that turn ordinary text into pieces of a few
 * letters, special tokens where they are asked for, unused ones to fill up. Any text can be tokenized with it, and
 * engines that refuse a model without a vocabulary load it.
 */
import { bool, int32s, string, strings, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { BYTE_CHARS } from '../tensor/byte-alphabet.ts';
import { TOKEN_TYPES } from './token-table.ts';

export interface MadeVocabularyOptions {
  readonly vocabSize: number;
  /** Tokens with a place of their own; text as a user would write it. */
  readonly fixed: ReadonlyMap<number, MadeToken>;
  /** Where merges end; later ids without a fixed token are unused. By default all ids are taken. */
  readonly ordinaryTokens?: number;
  /** Kind of pre-tokenizer, as llama.cpp names it. */
  readonly pre: string;
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
  readonly padId?: number | undefined;
  readonly addBos: boolean;
}

export interface MadeToken {
  readonly text: string;
  /** Control tokens are never part of decoded text. */
  readonly control: boolean;
}

/** The `tokenizer.*` keys of such a vocabulary. */
export function madeVocabulary(options: MadeVocabularyOptions): GgufMetadata {
  const { vocabSize, fixed, ordinaryTokens = vocabSize } = options;
  const tokens: string[] = [];
  const types = new Int32Array(vocabSize);
  const merges: string[] = [];
  const pieces = ordinaryPieces();
  for (let id = 0; id < vocabSize; id++) {
    const special = fixed.get(id);
    const piece = special || id >= ordinaryTokens ? undefined : pieces.next().value;
    if (special) {
      tokens.push(special.text);
      types[id] = special.control ? TOKEN_TYPES.control : TOKEN_TYPES.userDefined;
    } else if (piece) {
      tokens.push(piece.text);
      types[id] = TOKEN_TYPES.normal;
      if (piece.merge) merges.push(piece.merge);
    } else {
      tokens.push(`[PAD${id}]`);
      types[id] = TOKEN_TYPES.unused;
    }
  }
  const metadata: GgufMetadata = new Map([
    ['tokenizer.ggml.model', string('gpt2')],
    ['tokenizer.ggml.pre', string(options.pre)],
    ['tokenizer.ggml.tokens', strings(tokens)],
    ['tokenizer.ggml.token_type', int32s(types)],
    ['tokenizer.ggml.merges', strings(merges)],
    ['tokenizer.ggml.add_bos_token', bool(options.addBos)],
  ]);
  const ids = { bos_token_id: options.bosId, eos_token_id: options.eosId, padding_token_id: options.padId };
  for (const [key, id] of Object.entries(ids)) if (id !== undefined) metadata.set(`tokenizer.ggml.${key}`, uint32(id));
  return metadata;
}

interface Piece {
  readonly text: string;
  readonly merge?: string;
}

/** Letters in the order of their frequency in English, so that small vocabularies hold the likelier pieces. */
const LETTERS = [...'etaoinshrdlucmfwypvbgkjqxz'];
const SPACE = BYTE_CHARS[32]!;

/** Bytes (the newline first: engines look for it), then pieces of two letters, three, ... each with its merge. */
function* ordinaryPieces(): Generator<Piece, undefined> {
  const newline = BYTE_CHARS[10]!;
  yield { text: newline };
  for (const text of BYTE_CHARS) if (text !== newline) yield { text };
  let shorter = [SPACE, ...LETTERS];
  for (;;) {
    const longer: string[] = [];
    for (const start of shorter) {
      for (const letter of LETTERS) {
        longer.push(start + letter);
        yield { text: start + letter, merge: `${start} ${letter}` };
      }
    }
    shorter = longer;
  }
}
