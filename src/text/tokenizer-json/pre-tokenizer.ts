/** The `pre_tokenizer` of a tokenizer.json: cuts a text into the pieces that the model encodes. */
import { createByteAlphabetWriter } from './byte-alphabet-writer.ts';
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { nestedFields } from '../../tensor/json-fields.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';
import { createPatternMatcher, createTextMatcher } from '../oniguruma/pattern-matcher.ts';
import type { PatternMatcher } from '../oniguruma/pattern-matcher.ts';
import { readMetaspace } from './metaspace.ts';
import type { Metaspace } from './metaspace.ts';
import { readPattern } from './pattern-field.ts';
import { charMatcher, SPLIT_BEHAVIORS, splitPiece } from './split-behavior.ts';
import type { SplitBehavior, SplitRule } from './split-behavior.ts';
import { mapPiece, prependToPiece, slicePiece } from './text-piece.ts';
import type { TextPiece } from './text-piece.ts';
import { numericChars, punctuationChars, regexWordChars, whiteSpaceChars } from './unicode-of-crates.ts';
import { createScriptLookup } from './unicode-scripts.ts';
import { replace } from './normalizer.ts';

/** Cuts each of some pieces, which have text, into pieces that have text. */
export type PreTokenizer = (pieces: readonly TextPiece[]) => readonly TextPiece[];

const types = [
  'BertPreTokenizer', 'ByteLevel', 'CharDelimiterSplit', 'Metaspace', 'Whitespace', 'WhitespaceSplit', 'Sequence', 'Split', 'Punctuation',
  'Digits', 'UnicodeScripts', 'FixedLength',
] as const;


/** @throws FormatError for a kind that is not known or a field that is wrong */
export function readPreTokenizer(value: JsonValue | undefined, where: string, depth = 0): PreTokenizer {
  const fields = nestedFields(value, where, depth);
  if (fields === undefined) return (pieces) => pieces;
  const preTokenizer = build(fields, depth);
  fields.end();
  return preTokenizer;
}

function build(fields: JsonFields, depth: number): PreTokenizer {
  const type = fields.oneOf('type', types);
  switch (type) {
    case 'BertPreTokenizer':
      return inTurn([splitter(charMatcher(whiteSpaceChars()), 'Removed'), splitter(charMatcher(punctuationChars()), 'Isolated')]);
    case 'ByteLevel':
      return byteLevel(fields);
    case 'CharDelimiterSplit':
      return splitter(createTextMatcher(oneChar(fields, 'delimiter')), 'Removed');
    case 'Metaspace':
      return metaspace(readMetaspace(fields));
    case 'Whitespace':
      return wordsAndSymbols();
    case 'WhitespaceSplit':
      return splitter(charMatcher(whiteSpaceChars()), 'Removed');
    case 'Sequence': {
      const readStep = (step: JsonValue, index: number) => readPreTokenizer(step, `${fields.where}.pretokenizers[${index}]`, depth + 1);
      return inTurn(fields.list('pretokenizers').map(readStep));
    }
    case 'Split':
      return splitter(readPattern(fields), fields.oneOf('behavior', SPLIT_BEHAVIORS), fields.flag('invert'));
    case 'Punctuation':
      return splitter(charMatcher(punctuationChars()), fields.oneOf('behavior', SPLIT_BEHAVIORS, 'Isolated'));
    case 'Digits':
      return splitter(charMatcher(numericChars()), fields.flag('individual_digits') ? 'Isolated' : 'Contiguous');
    case 'UnicodeScripts':
      return unicodeScripts();
    case 'FixedLength':
      return fixedLength(fields);
    default:
      return type satisfies never;
  }
}

/** Makes a pre-tokenizer of what is to be done to one piece. */
function eachPiece(cut: (piece: TextPiece, output: TextPiece[]) => void): PreTokenizer {
  return (pieces) => {
    const output: TextPiece[] = [];
    for (const piece of pieces) cut(piece, output);
    return output;
  };
}

function splitter(matcher: PatternMatcher, behavior: SplitBehavior, invert = false): PreTokenizer {
  const rule: SplitRule = { matcher, behavior, invert };
  return eachPiece((piece, output) => splitPiece(piece, rule, output));
}

function inTurn(steps: readonly PreTokenizer[]): PreTokenizer {
  return (pieces) => steps.reduce((cut, step) => step(cut), pieces);
}

/** One character, in whatever number of UTF-16 units. */
function oneChar(fields: JsonFields, key: string): string {
  const text = fields.text(key);
  return Array.from(text).length === 1 ? text : fields.fail(key, 'one character');
}

const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

function byteLevel(fields: JsonFields): PreTokenizer {
  const addSpace = fields.flag('add_prefix_space');
  const words = fields.flag('use_regex', true) ? splitter(createPatternMatcher(gpt2Pattern), 'Isolated') : undefined;
  fields.ignore('trim_offsets');
  const toAlphabet = createByteAlphabetWriter();
  return (pieces) => {
    const spaced = addSpace ? pieces.map((piece) => (piece.text.startsWith(' ') ? piece : prependToPiece(piece, ' '))) : pieces;
    return (words?.(spaced) ?? spaced).map((piece) => mapPiece(piece, toAlphabet));
  };
}

function metaspace({ replacement, scheme, split }: Metaspace): PreTokenizer {
  const mark = replace(createTextMatcher(' '), replacement);
  const rule: SplitRule = { matcher: createTextMatcher(replacement), behavior: 'MergedWithNext', invert: false };
  return eachPiece((piece, output) => {
    let marked = mark(piece);
    const isWanted = scheme === 'always' || (scheme === 'first' && piece.isFirst);
    if (isWanted && !marked.text.startsWith(replacement)) marked = prependToPiece(marked, replacement);
    if (split) splitPiece(marked, rule, output);
    else output.push(marked);
  });
}

/** Runs of word characters and runs of what is neither that nor white space. */
function wordsAndSymbols(): PreTokenizer {
  const word = regexWordChars();
  const space = whiteSpaceChars();
  const kindOf = (char: number): number => (word.has(char) ? 1 : space.has(char) ? 0 : 2);
  return eachPiece((piece, output) => {
    let start = 0;
    let kind = 0;
    for (let at = 0; at <= piece.text.length; ) {
      const char = at < piece.text.length ? piece.text.codePointAt(at)! : -1;
      const next = char < 0 ? 0 : kindOf(char);
      if (next !== kind || char < 0) {
        if (kind !== 0) output.push(slicePiece(piece, start, at));
        start = at;
        kind = next;
      }
      at += char > 0xffff ? 2 : 1;
    }
  });
}

/** A cut before each character of another script than the last one that had any; what stands before the first is lost. */
function unicodeScripts(): PreTokenizer {
  const scriptOf = createScriptLookup();
  return eachPiece((piece, output) => {
    const starts: number[] = [];
    let last = 0;
    for (let at = 0; at < piece.text.length; ) {
      const char = piece.text.codePointAt(at)!;
      const script = scriptOf(char);
      if (script !== 0 && script !== last) starts.push(at);
      if (script !== 0) last = script;
      at += char > 0xffff ? 2 : 1;
    }
    starts.forEach((start, index) => output.push(slicePiece(piece, start, starts[index + 1] ?? piece.text.length)));
  });
}

const defaultLength = 5;

function fixedLength(fields: JsonFields): PreTokenizer {
  const length = fields.count('length', defaultLength);
  if (length === 0) fields.fail('length', 'a whole number from 1');
  return eachPiece((piece, output) => {
    for (let start = 0; start < piece.text.length; ) {
      let end = start;
      for (let count = 0; count < length && end < piece.text.length; count++) end += piece.text.codePointAt(end)! > 0xffff ? 2 : 1;
      output.push(slicePiece(piece, start, end));
      start = end;
    }
  });
}
