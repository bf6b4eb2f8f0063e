/**
 * Texts that an answer never holds, whatever tokens they come in: an automaton over bytes (Aho and Corasick 1975) knows how much of which
 * text the answer ends with, and a token whose bytes would complete one is taken out of the choice before it is made.
 */
import { CapacityError, InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface BannedTexts {
  /** For one answer. */
  start(): BannedTextsMatcher;
}

export interface BannedTextsMatcher {
  /**
   * Which tokens may follow an answer, which must begin with the one of the call before: bit i of word w is token 32 w + i. Not to be
   * written to.
   */
  maskAfter(answer: readonly number[]): Uint32Array;
}

/** Each byte of all texts is a state, which takes a kilobyte. */
const MOST_BYTES = 16_384;
/** Masks that are kept, of the states that came last: an answer is in few of them again and again. */
const MOST_MASKS = 64;

/** What `clean_up_tokenization_spaces` moves to the word before it: a text with these may come of tokens that do not say so. */
const MOVED = /[.?!,']/;

/** @throws InputError for what is no list of texts, and for texts that this vocabulary's tokens cannot be told to make */
export function checkBannedTexts(texts: readonly string[], tokenizer: Tokenizer | undefined): void {
  if (!Array.isArray(texts)) throw new InputError(`bannedTexts must be a list of texts, found ${describeValue(texts)}.`);
  const bad = texts.findIndex((text) => typeof text !== 'string' || text === '');
  if (bad >= 0) throw new InputError(`bannedTexts[${bad}] must be a text of at least one character, found ${describeValue(texts[bad])}.`);
  if (texts.length === 0) return;
  const broken = texts.findIndex((text) => text.includes('\ufffd') || /\p{Surrogate}/u.test(text));
  if (broken >= 0)
    throw new InputError(
      `bannedTexts[${broken}] holds U+FFFD or half a surrogate pair, which stand for no character, so that no token says it.`,
    );
  if (tokenizer === undefined) throw new InputError('This model has no tokenizer, so it cannot tell bannedTexts: use logitBias by ids.');
  const moved = tokenizer.joining === 'cleaned' ? texts.find((text) => MOVED.test(text)) : undefined;
  if (tokenizer.joining === 'rules' || moved !== undefined)
    throw new InputError(
      `bannedTexts would not be obeyed${moved === undefined ? '' : ` for ${JSON.stringify(moved.slice(0, 60))}`}: this model's tokenizer ` +
        'changes the text of tokens as it joins them. Use stop, or logitBias.',
    );
  const bytes = texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
  if (bytes > MOST_BYTES)
    throw new CapacityError(`bannedTexts have ${bytes} bytes together; at most ${MOST_BYTES} are looked for. Pass fewer, or shorter ones.`);
}

interface Automaton {
  /** [states][256] */
  readonly next: Int32Array;
  /** By state: a text ends there. */
  readonly isEnd: Uint8Array;
}

function automatonOf(texts: readonly Uint8Array[]): Automaton {
  const most = 1 + texts.reduce((sum, { length }) => sum + length, 0);
  const next = new Int32Array(most * 256).fill(-1);
  const isEnd = new Uint8Array(most);
  let states = 1;
  for (const text of texts) {
    let state = 0;
    for (const byte of text) {
      const at = state * 256 + byte;
      if (next[at] === -1) next[at] = states++;
      state = next[at] as number;
    }
    isEnd[state] = 1;
  }
  const fallback = new Int32Array(most);
  // Nearest to the root first, so that what a state falls back to is complete.
  const queue = [0];
  for (let head = 0; head < queue.length; head++) {
    const state = queue[head] as number;
    const back = fallback[state] as number;
    if (isEnd[back] === 1) isEnd[state] = 1;
    for (let byte = 0; byte < 256; byte++) {
      const at = state * 256 + byte;
      const other = state === 0 ? 0 : (next[back * 256 + byte] as number);
      const to = next[at] as number;
      if (to === -1) next[at] = other;
      else {
        fallback[to] = other;
        queue.push(to);
      }
    }
  }
  return { next, isEnd };
}

/** The state after some bytes; -1 where they complete a text. */
function follow({ next, isEnd }: Automaton, from: number, bytes: Uint8Array, begin: number, end: number): number {
  let state = from;
  for (let i = begin; i < end; i++) {
    state = next[state * 256 + (bytes[i] as number)] as number;
    if (isEnd[state] === 1) return -1;
  }
  return state;
}

/** @param vocabSize tokens that the model may choose, which may be more than the tokenizer has: those stand for no text */
export function createBannedTexts(texts: readonly string[], tokenizer: Tokenizer, vocabSize: number): BannedTexts {
  const encoder = new TextEncoder();
  const automaton = automatonOf(texts.map((text) => encoder.encode(text)));
  const { bytes, ends } = tokenizer.vocabularyBytes();
  const hasText = (id: number) => id < ends.length && !tokenizer.isSpecial(id);
  const after = (state: number, id: number) =>
    hasText(id) ? follow(automaton, state, bytes, id === 0 ? 0 : (ends[id - 1] as number), ends[id] as number) : state;
  const masks = new Map<number, Uint32Array>();
  const maskOf = (state: number): Uint32Array => {
    const mask = masks.get(state) ?? new Uint32Array(Math.ceil(vocabSize / 32)).fill(0xffff_ffff);
    if (!masks.has(state)) for (let id = 0; id < ends.length; id++) if (after(state, id) === -1) mask[id >> 5]! &= ~(1 << (id & 31));
    // The newest is the last.
    masks.delete(state);
    masks.set(state, mask);
    if (masks.size > MOST_MASKS) masks.delete(masks.keys().next().value as number);
    return mask;
  };
  return {
    start() {
      let state = 0;
      let seen = 0;
      return {
        maskAfter(answer) {
          // A token that was forced upon the answer may complete a text: what follows begins anew.
          for (; seen < answer.length; seen++) state = Math.max(0, after(state, answer[seen] as number));
          return maskOf(state);
        },
      };
    },
  };
}
