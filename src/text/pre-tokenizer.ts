/** Cuts texts into words by the steps of a kind that `tokenizer.ggml.pre` of a GGUF names. */
import { codePointsOf } from './code-points.ts';
import type { CodePoints } from './code-points.ts';
import type { PreTokenizerKind, SplitStep } from './pre-tokenizer-kinds.ts';
import { compileSplitPattern } from './split-pattern.ts';
import type { Matcher } from './split-pattern.ts';
import { CHAR_CLASS, createClassLookup, isWhitespace } from './unicode-class.ts';

/** Cuts a text into words; joined, they are the text. */
export type PreTokenizer = (text: string) => string[];

type PieceSplitter = (input: CodePoints, start: number, end: number, ends: number[]) => void;

export function createPreTokenizer(kind: PreTokenizerKind): PreTokenizer {
  const classOf = createClassLookup();
  const splitters = kind.steps.map(splitterOf);
  return (text) => {
    const input = codePointsOf(text, classOf);
    let ends = [input.count];
    for (const split of splitters) {
      const finer: number[] = [];
      let start = 0;
      for (const end of ends) {
        split(input, start, end, finer);
        start = end;
      }
      ends = finer;
    }
    return cut(input, ends);
  };
}

function splitterOf(step: SplitStep): PieceSplitter {
  if (typeof step === 'string') return matchSplitter(compileSplitPattern(step));
  switch (step.rule) {
    case 'groupNumbers':
      return splitNumbers;
    case 'groupAsciiDigits':
      return splitAsciiDigits;
    case 'trailingWhitespace':
      return splitTrailingWhitespace;
    default:
      return step.rule satisfies never;
  }
}

function cut(input: CodePoints, ends: readonly number[]): string[] {
  let from = 0;
  return ends.map((end) => {
    const to = input.offsets[end]!;
    const piece = input.text.slice(from, to);
    from = to;
    return piece;
  });
}

/** Matches become pieces, and so does what lies between two of them. */
function matchSplitter(match: Matcher): PieceSplitter {
  return (input, start, end, ends) => {
    let pieceStart = start;
    let at = start;
    while (at < end) {
      const stop = match(input, at, end);
      if (stop <= at) {
        at++;
        continue;
      }
      if (at > pieceStart) ends.push(at);
      ends.push(stop);
      pieceStart = stop;
      at = stop;
    }
    if (end > pieceStart) ends.push(end);
  };
}

type CharTest = (input: CodePoints, at: number) => boolean;

const isNumber: CharTest = (input, at) => (input.classes[at]! & CHAR_CLASS.number) !== 0;
const isAsciiDigit: CharTest = (input, at) => input.chars[at]! >= 0x30 && input.chars[at]! <= 0x39;

/** Cuts inside runs of ASCII digits so that groups of three count from the right; a run of whole groups is cut off before it. */
const splitAsciiDigits: PieceSplitter = (input, start, end, ends) => {
  for (const [first, stop] of digitRuns(input, { start, end, isDigit: isAsciiDigit })) {
    for (let cutAt = first + ((stop - first) % 3); cutAt < stop; cutAt += 3) if (cutAt > start) ends.push(cutAt);
  }
  if (end > start) ends.push(end);
};

/** Cuts after each group of digits; what stands before a run stays with the run's first group. */
const splitNumbers: PieceSplitter = (input, start, end, ends) => {
  let last = start;
  for (const [first, stop] of digitRuns(input, { start, end, isDigit: isNumber })) {
    for (last = first + ((stop - first) % 3 || 3); last < stop; last += 3) ends.push(last);
    ends.push(stop);
  }
  if (end > last) ends.push(end);
};

function* digitRuns(input: CodePoints, range: { start: number; end: number; isDigit: CharTest }): Generator<[number, number]> {
  const { start, end, isDigit } = range;
  for (let at = start; at < end; ) {
    const first = at;
    while (at < end && isDigit(input, at)) at++;
    if (at > first) yield [first, at];
    else at++;
  }
}

const splitTrailingWhitespace: PieceSplitter = (input, start, end, ends) => {
  let at = end;
  while (at > start && isWhitespace(input.chars[at - 1]!)) at--;
  if (at > start) ends.push(at);
  if (end > at) ends.push(end);
};
