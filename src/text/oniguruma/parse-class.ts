/** Bracket classes: [a-z], [^\s\p{L}], [a-z&&[^aeiou]], [[:alpha:]]. */
import { createCharSet } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import { posixClass } from './named-class.ts';
import { escapedChar, escapedClass, invertIf } from './parse-escape.ts';
import { failAt, isAtEnd, nested, next, take } from './pattern-text.ts';
import type { PatternText } from './pattern-text.ts';
import { inRanges } from './unicode-version.ts';
import type { CodePointRange } from './unicode-version.ts';

export interface BracketClass {
  readonly set: CharSet;
  readonly negated: boolean;
}

/** Reads a class whose [ is taken. With `ignoreCase` it holds every letter that differs by case only from one that it names. */
export function parseClass(source: PatternText, ignoreCase: boolean): BracketClass {
  const negated = take(source, '^');
  const named = parseIntersection(source);
  const set = ignoreCase ? createCharSet((codePoint) => source.fold.variantsOf(codePoint).some((variant) => named.has(variant))) : named;
  return { set: invertIf(negated, set), negated };
}

function parseIntersection(source: PatternText): CharSet {
  const operands: CharSet[] = [];
  let operand = createOperand();
  if (source.chars[source.at] === ']') {
    // A ] that comes first stands for itself, if another one closes the class.
    if (!source.chars.includes(']', source.at + 1)) failAt(source, 'an empty class');
    addChar(source, operand, next(source, 'class').codePointAt(0)!);
  }
  while (!take(source, ']')) {
    if (isAtEnd(source)) failAt(source, 'expected ]');
    if (!take(source, '&&')) {
      parseItem(source, operand);
      continue;
    }
    operands.push(operandSet(operand));
    operand = createOperand();
  }
  operands.push(operandSet(operand));
  return operands.length === 1 ? operands[0]! : createCharSet((codePoint) => operands.every((each) => each.has(codePoint)));
}

interface Operand {
  readonly ranges: [number, number][];
  readonly sets: CharSet[];
}

function createOperand(): Operand {
  return { ranges: [], sets: [] };
}

function operandSet({ ranges, sets }: Operand): CharSet {
  const sorted = mergeRanges(ranges);
  return createCharSet((codePoint) => inRanges(sorted, codePoint) || sets.some((set) => set.has(codePoint)));
}

function mergeRanges(ranges: readonly CodePointRange[]): CodePointRange[] {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

function parseItem(source: PatternText, operand: Operand): void {
  if (take(source, '[:')) {
    operand.sets.push(parsePosix(source));
  } else if (take(source, '[')) {
    operand.sets.push(nested(source, () => parseClass(source, false).set));
  } else {
    const item = parseMember(source);
    if (typeof item === 'number') addChar(source, operand, item);
    else operand.sets.push(item);
    if (typeof item !== 'number' && isRange(source)) failAt(source, 'a range must begin with a character');
  }
}

function parsePosix(source: PatternText): CharSet {
  const negated = take(source, '^');
  const close = source.chars.indexOf(':', source.at);
  const name = close < 0 || source.chars[close + 1] !== ']' ? '' : source.chars.slice(source.at, close).join('');
  const set = posixClass(name) ?? failAt(source, 'expected the name of a POSIX class and :]');
  source.at = close + 2;
  return invertIf(negated, set);
}

/** A hyphen that has something after it, so that it is not the last member. */
function isRange(source: PatternText): boolean {
  const after = source.chars[source.at + 1];
  return source.chars[source.at] === '-' && after !== undefined && after !== ']';
}

function addChar(source: PatternText, operand: Operand, first: number): void {
  let last = first;
  if (isRange(source)) {
    source.at++;
    const end = parseMember(source);
    if (typeof end !== 'number' || end < first) return failAt(source, 'a range must end with a character that is not before its first');
    last = end;
    // A second hyphen stands for itself.
    if (isRange(source)) operand.ranges.push([0x2d, 0x2d]);
    if (isRange(source)) source.at++;
  }
  operand.ranges.push([first, last]);
}

function parseMember(source: PatternText): number | CharSet {
  const char = next(source, 'class');
  if (char === '[') return failAt(source, 'a range must end with a character');
  if (char !== '\\') return char.codePointAt(0)!;
  const letter = next(source, 'escape');
  if (letter === 'b') return 0x08;
  return escapedClass(source, letter, true) ?? escapedChar(source, letter);
}
