/**
 * The vocabulary of a ggml file of whisper.cpp, as GGUF metadata has one. The file lists the bytes of each token of text, in the order of
 * their ids, and no merges: byte-pair encoding by ranks (tiktoken) joins whichever pair makes the token of the lowest id.
 */
import { alphabetTextOf, BYTE_CHARS } from '../tensor/byte-alphabet.ts';
import type { MetadataValue } from '../tensor/checkpoint.ts';
import { TOKEN_TYPES } from './token-table.ts';
import type { HeaderCursor } from './header-cursor.ts';

export interface ListedTokens {
  /** In the byte alphabet. */
  readonly texts: readonly string[];
  /** Whether it is a special token that the list holds as text: lists made of a vocab.json do. */
  readonly isSpecial: readonly boolean[];
}

const END = '<|endoftext|>';
/** The longest of Whisper's is 128 spaces. */
const MOST_TOKEN_BYTES = 4096;

/** Whisper's special tokens, which no file lists, are 1,609 at most: 1,501 times, 100 languages and tasks. */
const MOST_UNLISTED = 4096;

/** Reads the tokens that the file lists, [length, bytes] each. @throws FormatError */
export async function readListedTokens(cursor: HeaderCursor, vocabSize: number): Promise<ListedTokens> {
  await cursor.require(4, 'the number of listed tokens');
  const count = cursor.takeI32();
  if (count < 1 || count > vocabSize) throw cursor.error(`it lists ${count} tokens for a vocabulary of ${vocabSize}. The file is damaged.`);
  if (vocabSize - count > MOST_UNLISTED)
    throw cursor.error(
      `it lists ${count} tokens for a vocabulary of ${vocabSize}; at most ${MOST_UNLISTED} special ones are expected behind them. ` +
        'The file is damaged.',
    );
  cursor.checkFits(4 * count, `${count} tokens`);
  const texts: string[] = [];
  const isSpecial: boolean[] = [];
  for (let id = 0; id < count; id++) {
    await cursor.require(4, `the length of token ${id}`);
    const length = cursor.takeI32();
    if (length < 0 || length > MOST_TOKEN_BYTES)
      throw cursor.error(`token ${id} has ${length} bytes; at most ${MOST_TOKEN_BYTES} are expected. The file is damaged.`);
    await cursor.require(length, `token ${id}`);
    const bytes = cursor.takeBytes(length);
    const special = String.fromCharCode(...bytes) === END;
    texts.push(special ? END : alphabetTextOf(bytes));
    isSpecial.push(special);
  }
  return { texts, isSpecial };
}

/**
 * `tokenizer.ggml.*` of a vocabulary. Tokens behind the listed ones are special; what each is follows from the vocabulary's size, so that
 * nothing looks up their names.
 */
export function listedVocabulary({ texts, isSpecial }: ListedTokens, vocabSize: number): [string, MetadataValue][] {
  const listed = texts.indexOf(END);
  const end = listed >= 0 ? listed : texts.length < vocabSize ? texts.length : undefined;
  const tokens = Array.from({ length: vocabSize }, (_, id) => texts[id] ?? (id === end ? END : `[_special_${id}]`));
  const types = Int32Array.from({ length: vocabSize }, (_, id) =>
    (id >= texts.length || isSpecial[id] ? TOKEN_TYPES.control : TOKEN_TYPES.normal));
  return [
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'gpt-2'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', mergesOfRanks(texts.filter((_, id) => !isSpecial[id]))],
    ['tokenizer.ggml.add_bos_token', false],
    ...(end === undefined ? [] : [['tokenizer.ggml.eos_token_id', end] as [string, MetadataValue]]),
  ];
}

/**
 * The merge that makes each token of several characters: the two parts that are left of it where pairs of lower ranks are joined, lowest
 * first. A token that does not come down to two parts is made by no merge.
 */
export function mergesOfRanks(texts: readonly string[]): string[] {
  const rankOf = new Map(texts.map((text, rank) => [text, rank]));
  for (const char of BYTE_CHARS) if (!rankOf.has(char)) rankOf.set(char, -1);
  const merges: string[] = [];
  texts.forEach((text, rank) => {
    if (text.length < 2) return;
    const parts = partsBelow(text, rank, rankOf);
    if (parts.length === 2) merges.push(`${parts[0]} ${parts[1]}`);
  });
  return merges;
}

function partsBelow(text: string, rank: number, rankOf: ReadonlyMap<string, number>): string[] {
  const parts = [...text];
  while (parts.length > 2) {
    let [best, bestRank] = [-1, rank];
    for (let i = 0; i + 1 < parts.length; i++) {
      const joined = rankOf.get(parts[i]! + parts[i + 1]!);
      if (joined !== undefined && joined < bestRank) [best, bestRank] = [i, joined];
    }
    if (best < 0) break;
    parts.splice(best, 2, parts[best]! + parts[best + 1]!);
  }
  return parts;
}
