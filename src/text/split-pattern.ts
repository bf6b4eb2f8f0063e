/**
 * A small matcher for the regular expressions that split text before byte-pair merging.
 *
 * Not JavaScript's RegExp, for three reasons: classes must follow one Unicode version (unicode-class.ts), a long
 * text must neither overflow a stack nor take quadratic time, and a pattern must see the end of its piece as the
 * end of the text. Supported: literals, classes with ranges and `--[...]` subtraction, \s \S \d \p{..} \r \n \t,
 * groups, alternation (first match wins), greedy ? * + {m} {m,n}, and lookahead. A group is atomic: once it has
 * matched it is not tried again in another way, which none of the known patterns needs.
 */
import type { CodePoints } from './code-points.ts';
import { CHAR_CLASS } from './unicode-class.ts';

/** Where a match that starts at `at` ends, or -1. Nothing at or after `end` is looked at. */
export type Matcher = (input: CodePoints, at: number, end: number) => number;

interface CharSet {
  readonly negated: boolean;
  readonly classes: number;
  readonly whitespace: boolean;
  readonly nonWhitespace: boolean;
  /** First and last code points, inclusive. */
  readonly ranges: readonly (readonly [number, number])[];
  readonly without: CharSet | undefined;
}

type Node =
  | { readonly type: 'set'; readonly set: CharSet; readonly min: number; readonly max: number }
  | { readonly type: 'group'; readonly branches: Node[][]; readonly min: number; readonly max: number }
  | { readonly type: 'look'; readonly branches: Node[][]; readonly negated: boolean };

/** Lu, Ll and the like stand for all letters, as they do in llama.cpp, whose ids a GGUF vocabulary must give. */
const namedClasses: Readonly<Record<string, number>> = {
  L: CHAR_CLASS.letter,
  Lu: CHAR_CLASS.letter,
  Ll: CHAR_CLASS.letter,
  Lt: CHAR_CLASS.letter,
  Lm: CHAR_CLASS.letter,
  Lo: CHAR_CLASS.letter,
  N: CHAR_CLASS.number,
  M: CHAR_CLASS.mark,
  P: CHAR_CLASS.punctuation,
  S: CHAR_CLASS.symbol,
};

const hanRanges: readonly (readonly [number, number])[] = [
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2ebef],
  [0x2f800, 0x2fa1f],
];

/** @throws SyntaxError for a pattern outside the supported language. */
export function compileSplitPattern(pattern: string): Matcher {
  const source: PatternText = { pattern, chars: Array.from(pattern), at: 0 };
  const branches = parseBranches(source);
  if (source.at < source.chars.length) fail(source, `unexpected ${source.chars[source.at]}`);
  return compileBranches(branches);
}

interface PatternText {
  readonly pattern: string;
  readonly chars: readonly string[];
  at: number;
}

function fail(source: PatternText, what: string): never {
  throw new SyntaxError(`split pattern ${JSON.stringify(source.pattern)}: ${what} at ${source.at}`);
}

function peek(source: PatternText, text: string): boolean {
  return source.chars.slice(source.at, source.at + text.length).join('') === text;
}

function take(source: PatternText, text: string): boolean {
  if (!peek(source, text)) return false;
  source.at += text.length;
  return true;
}

function parseBranches(source: PatternText): Node[][] {
  const branches: Node[][] = [[]];
  while (source.at < source.chars.length && source.chars[source.at] !== ')') {
    if (take(source, '|')) branches.push([]);
    else branches.at(-1)!.push(parseItem(source));
  }
  return branches;
}

function parseItem(source: PatternText): Node {
  if (take(source, '(?=')) return { type: 'look', branches: parseGroupRest(source), negated: false };
  if (take(source, '(?!')) return { type: 'look', branches: parseGroupRest(source), negated: true };
  if (take(source, '(?:') || take(source, '(')) {
    return { type: 'group', branches: parseGroupRest(source), ...parseRepeat(source) };
  }
  const set = take(source, '[') ? parseClass(source) : charSetOf([parseAtom(source)], false);
  return { type: 'set', set, ...parseRepeat(source) };
}

function parseGroupRest(source: PatternText): Node[][] {
  const branches = parseBranches(source);
  if (!take(source, ')')) fail(source, 'expected )');
  return branches;
}

function parseRepeat(source: PatternText): { min: number; max: number } {
  if (take(source, '?')) return { min: 0, max: 1 };
  if (take(source, '*')) return { min: 0, max: Infinity };
  if (take(source, '+')) return { min: 1, max: Infinity };
  if (!take(source, '{')) return { min: 1, max: 1 };
  const [min, max] = takeToBrace(source).split(',');
  return { min: Number(min), max: Number(max ?? min) };
}

function takeToBrace(source: PatternText): string {
  const close = source.chars.indexOf('}', source.at);
  const text = source.chars.slice(source.at, close).join('');
  source.at = close + 1;
  return text;
}

function parseAtom(source: PatternText): Partial<CharSet> {
  const char = source.chars[source.at++] ?? fail(source, 'unexpected end');
  if (char !== '\\') return single(char);
  const escaped = source.chars[source.at++] ?? fail(source, 'unexpected end');
  switch (escaped) {
    case 's':
      return { whitespace: true };
    case 'S':
      return { nonWhitespace: true };
    case 'd':
      return { ranges: [[0x30, 0x39]] };
    case 'r':
      return single('\r');
    case 'n':
      return single('\n');
    case 't':
      return single('\t');
    case 'p':
      return parseNamedClass(source);
    default:
      return single(escaped);
  }
}

function parseNamedClass(source: PatternText): Partial<CharSet> {
  const name = takeToBrace(source).slice(1);
  if (name === 'Han') return { ranges: hanRanges };
  return { classes: namedClasses[name] ?? fail(source, `unknown class ${name}`) };
}

function parseClass(source: PatternText): CharSet {
  const negated = take(source, '^');
  const parts: Partial<CharSet>[] = [];
  let without: CharSet | undefined;
  while (!take(source, ']')) {
    if (take(source, '--[')) {
      without = parseClass(source);
      continue;
    }
    const atom = parseAtom(source);
    const after = source.chars[source.at + 1];
    if (atom.ranges?.length !== 1 || !peek(source, '-') || after === ']' || after === '-') {
      parts.push(atom);
      continue;
    }
    source.at++;
    const last = parseAtom(source).ranges ?? fail(source, 'bad range');
    parts.push({ ranges: [[atom.ranges[0]![0], last[0]![1]]] });
  }
  return charSetOf(parts, negated, without);
}

function single(char: string): Partial<CharSet> {
  const codePoint = char.codePointAt(0)!;
  return { ranges: [[codePoint, codePoint]] };
}

function charSetOf(parts: readonly Partial<CharSet>[], negated: boolean, without?: CharSet): CharSet {
  return {
    negated,
    classes: parts.reduce((mask, part) => mask | (part.classes ?? 0), 0),
    whitespace: parts.some((part) => part.whitespace === true),
    nonWhitespace: parts.some((part) => part.nonWhitespace === true),
    ranges: parts.flatMap((part) => part.ranges ?? []),
    without,
  };
}

function compileBranches(branches: readonly Node[][]): Matcher {
  const matchers = branches.map((nodes) => compileSequence(nodes, 0));
  if (matchers.length === 1) return matchers[0]!;
  return (input, at, end) => {
    for (const match of matchers) {
      const stop = match(input, at, end);
      if (stop >= 0) return stop;
    }
    return -1;
  };
}

function compileSequence(nodes: readonly Node[], index: number): Matcher {
  const node = nodes[index];
  if (node === undefined) return (_input, at) => at;
  const next = compileSequence(nodes, index + 1);
  switch (node.type) {
    case 'set':
      return setMatcher(node.set, node.min, node.max, next);
    case 'group':
      return groupMatcher(compileBranches(node.branches), node.min, node.max, next);
    case 'look': {
      const inner = compileBranches(node.branches);
      return (input, at, end) => (inner(input, at, end) >= 0 === node.negated ? -1 : next(input, at, end));
    }
    default:
      return node satisfies never;
  }
}

function setMatcher(set: CharSet, min: number, max: number, next: Matcher): Matcher {
  const has = compileSet(set);
  return (input, at, end) => {
    const limit = Math.min(end, at + max);
    let stop = at;
    while (stop < limit && has(input.chars[stop]!, input.classes[stop]!)) stop++;
    for (; stop >= at + min; stop--) {
      const result = next(input, stop, end);
      if (result >= 0) return result;
    }
    return -1;
  };
}

function groupMatcher(inner: Matcher, min: number, max: number, next: Matcher): Matcher {
  return (input, at, end) => {
    let stop = at;
    let count = 0;
    while (count < max) {
      const after = inner(input, stop, end);
      if (after < 0 || (after === stop && count >= min)) break;
      stop = after;
      count++;
    }
    return count < min ? -1 : next(input, stop, end);
  };
}

const asciiSize = 128;

/** Tests code point and class mask; ASCII by table, since most text is. */
function compileSet(set: CharSet): (char: number, classMask: number) => boolean {
  const ascii = new Int8Array(asciiSize).fill(-1);
  return (char, classMask) => {
    if (char >= asciiSize) return setHas(set, char, classMask);
    if (ascii[char] === -1) ascii[char] = setHas(set, char, classMask) ? 1 : 0;
    return ascii[char] === 1;
  };
}

function setHas(set: CharSet, char: number, classMask: number): boolean {
  const isSpace = char === 0x20 || (char >= 0x09 && char <= 0x0d);
  const listed =
    (classMask & set.classes) !== 0 ||
    (isSpace ? set.whitespace : set.nonWhitespace) ||
    set.ranges.some(([first, last]) => char >= first && char <= last);
  if (listed === set.negated) return false;
  return set.without === undefined || !setHas(set.without, char, classMask);
}
