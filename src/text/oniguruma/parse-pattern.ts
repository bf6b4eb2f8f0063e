/**
 * Reads regular expressions as Oniguruma does with its default (Ruby) syntax, which is what tokenizer.json is written
 * for. What is left out, each refused by its name: \X \K \Y \y \g, absent groups, conditionals, callouts, (?P..) and
 * the options W D S P, \c \C \M, blocks as properties, captures in a negated look-behind, intervals that go down.
 */
import { createCaseFold } from './case-fold.ts';
import { createCharSet } from './char-set.ts';
import { parseClass } from './parse-class.ts';
import { escapedChar, escapedClass } from './parse-escape.ts';
import type { AnchorKind, PatternNode, RepeatMode } from './pattern-node.ts';
import { failAt, isAtEnd, nested, next, patternText, refuse, take, takeTo } from './pattern-text.ts';
import type { PatternText } from './pattern-text.ts';

interface Options {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
  readonly extended: boolean;
}

interface PatternSource extends PatternText {
  /** Only named groups capture where there are any. */
  readonly hasNames: boolean;
  readonly names: Map<string, number[]>;
  captures: number;
}

export interface ParsedPattern {
  readonly node: PatternNode;
  readonly captures: number;
}

const maxPatternLength = 65_536;

/** @throws SyntaxError for what is wrong or not supported */
export function parsePattern(pattern: string): ParsedPattern {
  if (pattern.length > maxPatternLength) {
    throw new SyntaxError(`a pattern of ${pattern.length} characters; at most ${maxPatternLength} are read`);
  }
  const hasNames = /\(\?(?:<[^=!]|')/.test(pattern.replace(/\\[^]/g, ''));
  const source: PatternSource = { ...patternText(pattern, createCaseFold()), hasNames, names: new Map(), captures: 0 };
  const node = parseBranches(source, { ignoreCase: false, dotAll: false, extended: false });
  if (!isAtEnd(source)) failAt(source, 'a ) without its (');
  return { node, captures: source.captures };
}

function parseBranches(source: PatternSource, options: Options): PatternNode {
  const branches: PatternNode[] = [];
  do branches.push(parseSequence(source, options));
  while (take(source, '|'));
  return branches.length === 1 ? branches[0]! : { type: 'alternatives', branches };
}

function parseSequence(source: PatternSource, options: Options): PatternNode {
  const nodes: PatternNode[] = [];
  const letters: (string | undefined)[] = [];
  while (!isAtEnd(source) && source.chars[source.at] !== '|' && source.chars[source.at] !== ')') {
    if (skipExtended(source, options) || skipComment(source)) continue;
    const isolated = takeOptions(source, options);
    if (isolated !== undefined) {
      // Options by themselves reach to the end of the group, over its alternatives.
      nodes.push(nested(source, () => parseBranches(source, isolated)));
      break;
    }
    const start = source.at;
    const atom = parseAtom(source, options);
    const isGroup = source.chars[start] === '(' && !/^\(\?<?[=!]/.test(source.chars.slice(start, start + 4).join(''));
    const canRepeat = isGroup || (atom.type !== 'anchor' && atom.type !== 'look');
    const quantified = parseRepeats(source, { atom, canRepeat, options });
    nodes.push(quantified);
    letters.push(options.ignoreCase && quantified === atom ? literalAt(source, start) : undefined);
  }
  const folded = options.ignoreCase ? joinFolds(source, nodes, letters) : nodes;
  return folded.length === 1 ? folded[0]! : { type: 'sequence', nodes: folded };
}

function skipExtended(source: PatternSource, options: Options): boolean {
  if (!options.extended) return false;
  const char = source.chars[source.at]!;
  if (char === '#') {
    while (!isAtEnd(source) && source.chars[source.at] !== '\n') source.at++;
    return true;
  }
  if (!/[ \t\r\n\f\v]/.test(char)) return false;
  source.at++;
  return true;
}

function skipComment(source: PatternSource): boolean {
  if (!take(source, '(?#')) return false;
  takeTo(source, ')');
  return true;
}

/** The letter that an atom of one plain character stands for. */
function literalAt(source: PatternSource, start: number): string | undefined {
  return source.at === start + 1 && source.chars[start] !== '.' ? source.chars[start] : undefined;
}

/** Lets "ss" match ß: a run of plain letters that is the fold of one character may be that character. */
function joinFolds(source: PatternSource, nodes: readonly PatternNode[], letters: readonly (string | undefined)[]): PatternNode[] {
  const joined: PatternNode[] = [];
  for (let at = 0; at < nodes.length; ) {
    const length = [3, 2].find((count) => foldedChars(source, letters.slice(at, at + count), count).length > 0);
    if (length === undefined) {
      joined.push(nodes[at++]!);
      continue;
    }
    const chars = foldedChars(source, letters.slice(at, at + length), length);
    const plain: PatternNode = { type: 'sequence', nodes: nodes.slice(at, at + length) };
    joined.push({ type: 'alternatives', branches: [plain, { type: 'set', set: createCharSet((codePoint) => chars.includes(codePoint)) }] });
    at += length;
  }
  return joined;
}

function foldedChars(source: PatternSource, letters: readonly (string | undefined)[], count: number): readonly number[] {
  if (letters.length < count || letters.includes(undefined)) return [];
  return source.fold.foldingTo(letters.join('').toLowerCase());
}

const anchors: Readonly<Record<string, AnchorKind>> = {
  A: 'textStart',
  z: 'textEnd',
  Z: 'textEndOrNewline',
  G: 'searchStart',
  b: 'wordBoundary',
  B: 'notWordBoundary',
};

function parseAtom(source: PatternSource, options: Options): PatternNode {
  const char = next(source, 'pattern');
  switch (char) {
    case '(':
      return nested(source, () => parseGroup(source, options));
    case '[':
      return bracket(source, options);
    case '.':
      return { type: 'set', set: createCharSet((codePoint) => options.dotAll || codePoint !== 0x0a) };
    case '^':
      return { type: 'anchor', kind: 'lineStart' };
    case '$':
      return { type: 'anchor', kind: 'lineEnd' };
    case '\\':
      return parseEscape(source, options);
    case '*':
    case '+':
    case '?':
      return failAt(source, `nothing for ${char} to repeat`);
    default:
      return literal(source, char.codePointAt(0)!, options);
  }
}

function literal(source: PatternSource, codePoint: number, { ignoreCase }: Options): PatternNode {
  const variants = ignoreCase ? source.fold.variantsOf(codePoint) : [codePoint];
  const set = createCharSet((each) => variants.includes(each));
  return ignoreCase ? withFoldTexts(source, { set, negated: false }) : { type: 'set', set };
}

function bracket(source: PatternSource, { ignoreCase }: Options): PatternNode {
  const parsed = parseClass(source, ignoreCase);
  return ignoreCase && !parsed.negated ? withFoldTexts(source, parsed) : { type: 'set', set: parsed.set };
}

/** Lets ß match "ss": characters that fold to several letters may be those letters. */
function withFoldTexts(source: PatternSource, { set }: ReturnType<typeof parseClass>): PatternNode {
  const node: PatternNode = { type: 'set', set };
  const texts = [...source.fold.texts].filter(([, chars]) => chars.some((char) => set.has(char))).map(([text]) => text);
  if (texts.length === 0) return node;
  const branches = texts.sort((a, b) => b.length - a.length).map((text): PatternNode => {
    const nodes = Array.from(text, (char): PatternNode => {
      const variants = source.fold.variantsOf(char.codePointAt(0)!);
      return { type: 'set', set: createCharSet((each) => variants.includes(each)) };
    });
    return { type: 'sequence', nodes };
  });
  return { type: 'alternatives', branches: [node, ...branches] };
}

function parseEscape(source: PatternSource, options: Options): PatternNode {
  const letter = next(source, 'escape');
  if (Object.hasOwn(anchors, letter)) return { type: 'anchor', kind: anchors[letter]! };
  const set = escapedClass(source, letter, false);
  if (set !== undefined) return { type: 'set', set };
  switch (letter) {
    case 'R':
      return lineBreak();
    case 'N':
      return { type: 'set', set: createCharSet((codePoint) => codePoint !== 0x0a) };
    case 'O':
      return { type: 'set', set: createCharSet(() => true) };
    case 'X':
    case 'K':
    case 'g':
    case 'y':
    case 'Y':
      return refuse(source, `\\${letter}`);
    case 'k':
      return namedReference(source, options);
    default:
      return /[1-9]/.test(letter) ? numberedReference(source, options) : literal(source, escapedChar(source, letter), options);
  }
}

/** `\R`: any line break, "\r\n" as one that is not taken apart. */
function lineBreak(): PatternNode {
  const char = (chars: readonly number[]): PatternNode => ({ type: 'set', set: createCharSet((each) => chars.includes(each)) });
  const pair: PatternNode = { type: 'sequence', nodes: [char([0x0d]), char([0x0a])] };
  const single = char([0x0a, 0x0b, 0x0c, 0x0d, 0x85, 0x2028, 0x2029]);
  return { type: 'atomic', node: { type: 'alternatives', branches: [pair, single] } };
}

/** `\1`, or a character by its octal code where there are fewer groups. */
function numberedReference(source: PatternSource, options: Options): PatternNode {
  source.at--;
  let text = '';
  while (/[0-9]/.test(source.chars[source.at] ?? '')) text += source.chars[source.at++]!;
  const index = Number(text);
  if (text.length > 1 && index > source.captures && /^[0-7]/.test(text)) {
    source.at -= text.length - 1;
    return literal(source, escapedChar(source, text[0]!), options);
  }
  if (source.hasNames || index > source.captures) return refuse(source, `\\${text.slice(0, 20)} without a group of that number before it`);
  return { type: 'backreference', indexes: [index], ignoreCase: options.ignoreCase };
}

function namedReference(source: PatternSource, { ignoreCase }: Options): PatternNode {
  const close = take(source, '<') ? '>' : take(source, "'") ? "'" : failAt(source, 'expected a name after \\k');
  const name = takeTo(source, close);
  const number = /^-?[0-9]+$/.test(name) ? Number(name) : undefined;
  const byNumber = number === undefined || source.hasNames ? [] : [number < 0 ? source.captures + 1 + number : number];
  const indexes = source.names.get(name) ?? byNumber.filter((index) => index >= 1 && index <= source.captures);
  if (indexes.length === 0) return refuse(source, `\\k<${name.slice(0, 40)}> without such a group before it`);
  return { type: 'backreference', indexes, ignoreCase };
}

function parseGroup(source: PatternSource, options: Options): PatternNode {
  const rest = (): PatternNode => {
    const node = parseBranches(source, options);
    if (!take(source, ')')) failAt(source, 'expected )');
    return node;
  };
  if (take(source, '?:')) return rest();
  if (take(source, '?=')) return { type: 'look', node: rest(), behind: false, negated: false };
  if (take(source, '?!')) return { type: 'look', node: rest(), behind: false, negated: true };
  if (take(source, '?<=')) return { type: 'look', node: rest(), behind: true, negated: false };
  if (take(source, '?<!')) return negatedLookBehind(source, rest);
  if (take(source, '?>')) return { type: 'atomic', node: rest() };
  if (take(source, '?<')) return namedGroup(source, takeTo(source, '>'), rest);
  if (take(source, "?'")) return namedGroup(source, takeTo(source, "'"), rest);
  if (source.chars[source.at] === '?') return optionGroup(source, options);
  if (source.chars[source.at] === '*') return refuse(source, '(*');
  if (source.hasNames) return rest();
  const index = ++source.captures;
  return { type: 'capture', index, node: rest() };
}

function negatedLookBehind(source: PatternSource, rest: () => PatternNode): PatternNode {
  const before = source.captures;
  const node = rest();
  if (source.captures > before) return refuse(source, 'a capture in a negated look-behind');
  return { type: 'look', node, behind: true, negated: true };
}

function namedGroup(source: PatternSource, name: string, rest: () => PatternNode): PatternNode {
  if (!/^[^\d\W]|^[^\p{ASCII}]/u.test(name)) failAt(source, `${JSON.stringify(name.slice(0, 40))} is no name of a group`);
  const index = ++source.captures;
  source.names.set(name, [...(source.names.get(name) ?? []), index]);
  return { type: 'capture', index, node: rest() };
}

function optionGroup(source: PatternSource, options: Options): PatternNode {
  const changed = readOptions(source, options);
  if (!take(source, ':')) return failAt(source, 'expected :');
  const node = parseBranches(source, changed);
  if (!take(source, ')')) failAt(source, 'expected )');
  return node;
}

/** `(?i)`, or undefined, with nothing taken, where something else stands. */
function takeOptions(source: PatternSource, options: Options): Options | undefined {
  const isolated = /^\(\?[imx-]+\)/.exec(source.chars.slice(source.at, source.at + 12).join(''));
  if (isolated === null) return undefined;
  source.at++;
  const changed = readOptions(source, options);
  source.at++;
  return changed;
}

const optionOf: Readonly<Record<string, keyof Options>> = { i: 'ignoreCase', m: 'dotAll', x: 'extended' };

function readOptions(source: PatternSource, options: Options): Options {
  const changed = { ...options };
  let value = true;
  source.at++;
  for (let char = source.chars[source.at]; char !== ':' && char !== ')'; char = source.chars[source.at]) {
    if (char === '-') value = false;
    else if (char !== undefined && Object.hasOwn(optionOf, char)) changed[optionOf[char]!] = value;
    else return refuse(source, `the group (?${char ?? ''}`);
    source.at++;
  }
  return changed;
}

const maxRepeat = 100_000;
const maxNestedRepeats = 20;

interface Repeatable {
  readonly atom: PatternNode;
  readonly canRepeat: boolean;
  readonly options: Options;
}

function parseRepeats(source: PatternSource, { atom, canRepeat, options }: Repeatable): PatternNode {
  let node = atom;
  for (let count = 0; ; count++) {
    while (!isAtEnd(source) && (skipComment(source) || skipExtended(source, options)));
    const range = takeRepeat(source);
    if (range === undefined) return node;
    if (!canRepeat) failAt(source, 'an anchor cannot be repeated');
    if (count === maxNestedRepeats) failAt(source, 'too many repeats of repeats');
    node = { type: 'repeat', node, ...range };
  }
}

function takeRepeat(source: PatternSource): { min: number; max: number; mode: RepeatMode } | undefined {
  const simple = take(source, '*') ? [0, Infinity] : take(source, '+') ? [1, Infinity] : take(source, '?') ? [0, 1] : undefined;
  if (simple !== undefined) {
    const mode = take(source, '?') ? 'lazy' : take(source, '+') ? 'possessive' : 'greedy';
    return { min: simple[0]!, max: simple[1]!, mode };
  }
  if (source.chars[source.at] !== '{') return undefined;
  const interval = /^\{(\d*)(,?)(\d*)\}/.exec(source.chars.slice(source.at, source.at + 16).join(''));
  if (interval === null || (interval[1] === '' && interval[3] === '')) return undefined;
  source.at += interval[0].length;
  const [, low, comma, high] = interval;
  const min = Number(low);
  const max = comma === '' ? min : high === '' ? Infinity : Number(high);
  if (max < min) refuse(source, `the interval ${interval[0]}`);
  if (min > maxRepeat || (max !== Infinity && max > maxRepeat)) failAt(source, `a repeat beyond ${maxRepeat}`);
  // {n}? is an optional {n}; {n,m}+ repeats {n,m}.
  return { min, max, mode: comma !== '' && take(source, '?') ? 'lazy' : 'greedy' };
}
