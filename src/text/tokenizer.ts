/** Text to token ids and back: the interface, and the parts that every kind of vocabulary shares. */
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames, checkSwitches, describeValue } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import { createByteStreamDecoder } from './stream-decoder.ts';
import type { StreamDecoder, StreamDecoderOptions } from './stream-decoder.ts';

export interface EncodeOptions {
  /** Adds what the model expects around a text (BOS, EOS); false by default. */
  readonly addSpecial?: boolean | undefined;
  /**
   * Cuts and fills the ids as `truncation` and `padding` of the tokenizer.json say. False by default, as in transformers: a
   * prompt is never cut in silence. See {@link Tokenizer.limits}.
   */
  readonly applyLimits?: boolean | undefined;
  /** Lets control tokens be written in the text ("<|im_end|>"); false by default, where they are plain characters. */
  readonly parseSpecial?: boolean | undefined;
}

/** A part of a text, with a word on whether control tokens may be written in it. */
export interface TextSegment {
  readonly text: string;
  readonly parseSpecial: boolean;
}

export interface DecodeOptions {
  /** Leaves out control and unknown tokens; false by default. */
  readonly skipSpecial?: boolean | undefined;
}

export interface SpecialTokens {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** End of turn. */
  readonly eot: number | undefined;
  /** End of message (a tool call follows). */
  readonly eom: number | undefined;
  readonly pad: number | undefined;
  readonly unk: number | undefined;
}

/** `truncation` and `padding` of a tokenizer.json. */
export interface EncodeLimits {
  /** In words: "truncation to 512 tokens". */
  readonly description: string;
  /** @param around how many of the ids stand before and after the text's own */
  apply(body: readonly number[], around: { readonly before: readonly number[]; readonly after: readonly number[] }): number[];
}

/** How tokens' bytes are a text: one behind the other, the same less the spaces before punctuation, or by rules of another kind. */
export type TextJoining = 'bytes' | 'cleaned' | 'rules';

/** The bytes of all tokens, one token's behind the other's: those of token i end at ends[i]. */
export interface VocabularyBytes {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
}

export interface Tokenizer {
  /** What it was made from, for people: "byte-level BPE (qwen2)". */
  readonly kind: string;
  readonly vocabSize: number;
  readonly special: SpecialTokens;
  /** Every token that ends an answer: eos, eot, eom, the file's own list, and well-known ones by their text. */
  readonly endIds: ReadonlySet<number>;
  /** Whether `addSpecial` puts BOS first and EOS last. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** What the file says about cutting and filling texts, in words; undefined where it says nothing. */
  readonly limits: string | undefined;
  /** What the files ask for and do not get, in sentences. */
  readonly warnings: readonly string[];
  /** Token ids of a text. Lone surrogates count as U+FFFD. */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * Token ids of parts that are one text: words go across their borders, but a control token counts only where it
   * lies wholly in parts with `parseSpecial`.
   */
  encodeSegments(segments: readonly TextSegment[]): number[];
  /** Text of token ids; bytes that are not UTF-8 become U+FFFD. @throws InputError for an id outside the vocabulary. */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  readonly joining: TextJoining;
  /** The bytes that a token stands for; may be a part of a character. */
  tokenBytes(id: number): Uint8Array;
  /** {@link Tokenizer.tokenBytes} of the whole vocabulary, put together when first asked. */
  vocabularyBytes(): VocabularyBytes;
  /** The text of a token as the file stores it ("Ġthe"). */
  tokenText(id: number): string;
  /** The token with exactly this stored text. */
  idOf(tokenText: string): number | undefined;
  /** True for control tokens and the unknown token: what `skipSpecial` leaves out. */
  isSpecial(id: number): boolean;
  /** Decodes ids as they are generated, in pieces that never split a character. */
  streamDecoder(options?: StreamDecoderOptions): StreamDecoder;
}

/** Whether a control token that stands from `start` to `end` of a text (UTF-16 units) counts as one. */
export type SpecialFilter = (start: number, end: number) => boolean;

const allSpecial: SpecialFilter = () => true;
const noSpecial: SpecialFilter = () => false;

/** What one kind of vocabulary has to provide; {@link createTokenizer} adds the rest. */
export interface TokenizerParts {
  readonly kind: string;
  readonly vocabSize: number;
  readonly special: SpecialTokens;
  readonly endIds: ReadonlySet<number>;
  /** Ids that `addSpecial` puts before and after a text. */
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
  /** The limits that the file sets for encoding, where it sets any. */
  readonly limits?: EncodeLimits | undefined;
  readonly warnings?: readonly string[] | undefined;
  /** Default `bytes`. */
  readonly joining?: TextJoining | undefined;
  /** How ids become text where that is more than their bytes one behind the other; the ids were checked. */
  readonly streamDecoder?: ((options: StreamDecoderOptions) => StreamDecoder) | undefined;
  /** Where tokens are bytes: decoding drops one space at the start of a text, because encoding puts one there. */
  readonly stripLeadingSpace: boolean;
  encodeBody(text: string, allowSpecial: SpecialFilter): number[];
  tokenBytes(id: number): Uint8Array;
  tokenText(id: number): string;
  idOf(tokenText: string): number | undefined;
  isSpecial(id: number): boolean;
}

const ENCODE_NAMES: NamesOf<EncodeOptions> = { addSpecial: true, applyLimits: true, parseSpecial: true };
const DECODE_NAMES: NamesOf<DecodeOptions> = { skipSpecial: true };
const STREAM_NAMES: NamesOf<StreamDecoderOptions> = { skipSpecial: true, atStart: true, cleanUp: true };

/** All options of a tokenizer are switches. @throws InputError for another option, or a value that is neither on nor off */
function checkOptions(options: object, names: Readonly<Record<string, true>>, call: string): void {
  checkOptionNames(options, names, call);
  checkSwitches(options);
}

function checkId(id: number, vocabSize: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
    throw new InputError(`expected a token id from 0 to ${vocabSize - 1}, found ${String(id)}`);
}

export function createTokenizer(parts: TokenizerParts): Tokenizer {
  const { vocabSize, special, prefixIds, suffixIds } = parts;
  const check = (id: number) => checkId(id, vocabSize);
  const streamDecoder = (options: StreamDecoderOptions = {}): StreamDecoder => {
    checkOptions(options, STREAM_NAMES, 'streamDecoder');
    const stream = parts.streamDecoder?.(options) ?? createByteStreamDecoder(parts, options);
    return { push: (id) => (check(id), stream.push(id)), flush: () => stream.flush() };
  };
  let vocabularyBytes: VocabularyBytes | undefined;
  return {
    kind: parts.kind,
    vocabSize,
    special,
    endIds: parts.endIds,
    addBos: special.bos !== undefined && prefixIds[0] === special.bos,
    addEos: special.eos !== undefined && suffixIds.at(-1) === special.eos,
    limits: parts.limits?.description,
    warnings: parts.warnings ?? [],
    encode(text, options = {}) {
      if (typeof text !== 'string') throw new InputError(`encode takes a string, found ${describeValue(text)}.`);
      checkOptions(options, ENCODE_NAMES, 'encode');
      const body = text === '' ? [] : parts.encodeBody(wellFormed(text), options.parseSpecial === true ? allSpecial : noSpecial);
      const around = options.addSpecial === true ? { before: prefixIds, after: suffixIds } : { before: [], after: [] };
      if (options.applyLimits === true && parts.limits !== undefined) return parts.limits.apply(body, around);
      return options.addSpecial === true ? [...prefixIds, ...body, ...suffixIds] : body;
    },
    encodeSegments(segments) {
      const text = segments.map((segment) => segment.text).join('');
      return text === '' ? [] : parts.encodeBody(wellFormed(text), segmentFilter(segments));
    },
    decode(ids, options = {}) {
      checkOptions(options, DECODE_NAMES, 'decode');
      const stream = streamDecoder({ skipSpecial: options.skipSpecial, atStart: true });
      const pieces: string[] = [];
      for (const id of ids) pieces.push(stream.push(id));
      pieces.push(stream.flush());
      return pieces.join('');
    },
    joining: parts.joining ?? 'bytes',
    tokenBytes: (id) => (check(id), parts.tokenBytes(id)),
    vocabularyBytes: () => (vocabularyBytes ??= joinTokens(parts)),
    tokenText: (id) => (check(id), parts.tokenText(id)),
    idOf: (tokenText) => parts.idOf(tokenText),
    isSpecial: (id) => (check(id), parts.isSpecial(id)),
    streamDecoder,
  };
}

function joinTokens({ vocabSize, tokenBytes }: TokenizerParts): VocabularyBytes {
  const tokens = Array.from({ length: vocabSize }, (_, id) => tokenBytes(id));
  const ends = new Uint32Array(vocabSize);
  let length = 0;
  for (const [id, { length: own }] of tokens.entries()) ends[id] = length += own;
  const bytes = new Uint8Array(length);
  for (const [id, token] of tokens.entries()) bytes.set(token, (ends[id] as number) - token.length);
  return { bytes, ends };
}

/** Allows what touches no segment without `parseSpecial`. */
function segmentFilter(segments: readonly TextSegment[]): SpecialFilter {
  const ends: number[] = [];
  let length = 0;
  for (const { text } of segments) ends.push((length += text.length));
  return (start, end) => {
    for (let index = firstAfter(ends, start); index < segments.length; index++) {
      const from = ends[index]! - segments[index]!.text.length;
      if (from >= end) return true;
      if (!segments[index]!.parseSpecial && ends[index]! > from) return false;
    }
    return true;
  };
}

/** Index of the first of ascending `ends` that is greater than `at`. */
function firstAfter(ends: readonly number[], at: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Replaces lone surrogates, which have no UTF-8 form. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
