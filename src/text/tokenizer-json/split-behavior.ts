/** What becomes of the matches when a piece is split: the `behavior` of Split and Punctuation. */
import type { CharSet } from '../oniguruma/char-set.ts';
import type { PatternMatcher } from '../oniguruma/pattern-matcher.ts';
import { slicePiece } from './text-piece.ts';
import type { TextPiece } from './text-piece.ts';

export const SPLIT_BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
export type SplitBehavior = (typeof SPLIT_BEHAVIORS)[number];

/** Matches and what lies between them: starts and ends in UTF-16 units, which cover the text in order. */
interface Segment {
  readonly start: number;
  end: number;
  readonly isMatch: boolean;
}

export interface SplitRule {
  readonly matcher: PatternMatcher;
  readonly behavior: SplitBehavior;
  /** What lies between matches counts as match, and the matches as what lies between. */
  readonly invert: boolean;
}

/** Every character of a set is a match by itself. */
export function charMatcher(set: CharSet): PatternMatcher {
  return {
    findAll(text) {
      const found: number[] = [];
      for (let at = 0; at < text.length; ) {
        const char = text.codePointAt(at)!;
        const end = at + (char > 0xffff ? 2 : 1);
        if (set.has(char)) found.push(at, end);
        at = end;
      }
      return found;
    },
  };
}

/** Adds the parts of a piece that have text to `output`. */
export function splitPiece(piece: TextPiece, { matcher, behavior, invert }: SplitRule, output: TextPiece[]): void {
  const found = matcher.findAll(piece.text);
  const add = (start: number, end: number): void => {
    if (end > start) output.push(slicePiece(piece, start, end));
  };
  if (behavior === 'Isolated') {
    // By far the most frequent: the cuts are all that counts.
    let from = 0;
    for (const cut of found) {
      add(from, cut);
      from = cut;
    }
    add(from, piece.text.length);
    return;
  }
  for (const { start, end } of merge(segmentsOf(found, piece.text.length, invert), behavior)) add(start, end);
}

function segmentsOf(found: readonly number[], length: number, invert: boolean): Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  for (let at = 0; at < found.length; at += 2) {
    if (found[at]! !== from) segments.push({ start: from, end: found[at]!, isMatch: invert });
    segments.push({ start: found[at]!, end: found[at + 1]!, isMatch: !invert });
    from = found[at + 1]!;
  }
  if (from !== length || segments.length === 0) segments.push({ start: from, end: length, isMatch: invert });
  return segments;
}

function merge(segments: Segment[], behavior: Exclude<SplitBehavior, 'Isolated'>): readonly Segment[] {
  switch (behavior) {
    case 'Removed':
      return segments.filter((segment) => !segment.isMatch);
    case 'Contiguous':
      return joined(segments, (segment, previousIsMatch) => segment.isMatch === previousIsMatch);
    case 'MergedWithPrevious':
      return joined(segments, (segment, previousIsMatch) => segment.isMatch && !previousIsMatch);
    case 'MergedWithNext':
      return joinedFromEnd(segments);
    default:
      return behavior satisfies never;
  }
}

/** Segments that join the one before them; before the first there was no match. */
function joined(segments: readonly Segment[], joins: (segment: Segment, previousIsMatch: boolean) => boolean): Segment[] {
  const output: Segment[] = [];
  let previousIsMatch = false;
  for (const segment of segments) {
    const last = output.at(-1);
    if (last !== undefined && joins(segment, previousIsMatch)) last.end = segment.end;
    else output.push({ ...segment });
    previousIsMatch = segment.isMatch;
  }
  return output;
}

/** From the end: a match joins what follows it, unless that is a match. */
function joinedFromEnd(segments: readonly Segment[]): Segment[] {
  const output: Segment[] = [];
  let nextIsMatch = false;
  for (let index = segments.length - 1; index >= 0; index--) {
    const segment = segments[index]!;
    const next = output.at(-1);
    if (segment.isMatch && !nextIsMatch && next !== undefined) output[output.length - 1] = { ...next, start: segment.start };
    else output.push({ ...segment });
    nextIsMatch = segment.isMatch;
  }
  return output.toReversed();
}
