/**
 * Texts of tokens that are a character each, so that any answer, whatever a model says, comes back as its own tokens when the history is
 * rendered: what a turn prefills is then known to the token.
 */
import type { TextSide } from '../src/engine/prompt.ts';
import { createTokenizer } from '../src/text/tokenizer.ts';
import type { Tokenizer } from '../src/text/tokenizer.ts';

/** Ends a message in the template. A vocabulary needs at least 127 tokens. */
export const LETTER_END = 2;

/** What can be seen of ASCII is itself, other ids letters from U+0100 on. */
function characterOf(id: number): number {
  return id > 32 && id < 127 ? id : 0x100 + id;
}

function idOf(character: number, vocab: number): number {
  const id = character < 0x100 ? character : character - 0x100;
  if (id >= vocab) throw new Error(`letter-text: U+${character.toString(16)} is no token of ${vocab}`);
  return id;
}

/** @param shift of all ids, so that the same texts are other tokens to a model of random weights */
export function letterTokenizer(vocab: number, shift = 0): Tokenizer {
  const encoder = new TextEncoder();
  const textOf = (id: number) => String.fromCodePoint(characterOf((id - shift + vocab) % vocab));
  return createTokenizer({
    kind: 'bytes',
    vocabSize: vocab,
    special: { bos: undefined, eos: LETTER_END, eot: undefined, eom: undefined, pad: undefined, unk: undefined },
    endIds: new Set([LETTER_END]),
    prefixIds: [],
    suffixIds: [],
    stripLeadingSpace: false,
    encodeBody: (text) => Array.from(text, (letter) => (idOf(letter.codePointAt(0)!, vocab) + shift) % vocab),
    tokenBytes: (id) => encoder.encode(textOf(id)),
    tokenText: textOf,
    idOf: () => undefined,
    isSpecial: () => false,
  });
}

export interface LetterTextOptions {
  readonly vocab: number;
  readonly endIds?: readonly number[];
  /** The prompt opens a thinking block, which the history leaves out with all of the thinking, as Qwen3.5 has it. */
  readonly thinks?: boolean;
}

/** `u:content`, by the role, thinking left out, and {@link LETTER_END} for every message; then `a:`, and `<think>` where it thinks. */
export function letterTextSide({ vocab, endIds = [], thinks = false }: LetterTextOptions): TextSide {
  const tokenizer = letterTokenizer(vocab);
  return {
    tokenizer,
    endIds: new Set(endIds),
    samplingDefaults: {},
    encodeMessages: (messages) => [
      ...messages.flatMap(({ role, content }) => [...tokenizer.encode(`${role.slice(0, 1)}:${content}`), LETTER_END]),
      ...tokenizer.encode(thinks ? 'a:<think>' : 'a:'),
    ],
  };
}
