/** The filter `pprint`: Python's pprint.pformat, in 80 columns. */
import type { Budget } from '../budget.ts';
import { compareValues } from '../compare.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { reprOf } from '../printing.ts';
import { splitLines } from '../split-text.ts';
import { TemplateError } from '../template-errors.ts';
import { concatWithin, ownText, sliceText } from '../template-text.ts';
import type { TemplateText } from '../template-text.ts';
import { charCount, isDict, isList, isText, isTuple, typeName } from '../values.ts';
import type { Dict, Entry, Value } from '../values.ts';

const width = 80;

export const pprintFilters: readonly (readonly [string, Filter])[] = [
  filter('pprint', [], (value, _args, { budget }) =>
    concatWithin(formatValue(sortDicts(value, budget), { indent: 0, allowance: 0, level: 0, budget }), budget),
  ),
];

interface Position {
  /** The column of the value. */
  readonly indent: number;
  /** Columns that what follows it on its line needs. */
  readonly allowance: number;
  readonly level: number;
  readonly budget: Budget;
}

/** The same value with the keys of its dicts in order, where they have one. */
function sortDicts(value: Value, budget: Budget): Value {
  budget.spend(1);
  budget.enter();
  const sorted = isList(value)
    ? value.map((item) => sortDicts(item, budget))
    : isTuple(value) && value.names === undefined
      ? { tuple: value.tuple.map((item) => sortDicts(item, budget)) }
      : isDict(value)
        ? sortDict(value, budget)
        : value;
  budget.leave();
  return sorted;
}

function sortDict(dict: Dict, budget: Budget): Dict {
  const entries = [...dict.entries].map(([hash, { key, value }]): [string, Entry] => [hash, { key, value: sortDicts(value, budget) }]);
  entries.sort(([, a], [, b]) => compareKeys(a.key, b.key, budget));
  return { entries: new Map(entries) };
}

/** By the names of their types where keys have no order. */
function compareKeys(a: Value, b: Value, budget: Budget): number {
  try {
    return compareValues(a, b, budget);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const [left, right] = [a, b].map((key) => (key === null ? 'NoneType' : typeName(key)));
    return left! < right! ? -1 : Number(left! > right!);
  }
}

function formatValue(value: Value, at: Position): TemplateText[] {
  const { budget } = at;
  const repr = reprOf(value, budget);
  budget.scan(repr.text.length * 16);
  if (charCount(repr.text) <= width - at.indent - at.allowance) return [repr];
  budget.enter();
  const inner = { ...at, level: at.level + 1 };
  const parts = longParts(value, repr, inner);
  budget.leave();
  return parts;
}

function longParts(value: Value, repr: TemplateText, at: Position): TemplateText[] {
  if (isList(value)) return [ownText('['), ...formatItems(value, { ...at, allowance: at.allowance + 1 }), ownText(']')];
  if (isTuple(value) && value.names === undefined) {
    const end = value.tuple.length === 1 ? ',)' : ')';
    return [ownText('('), ...formatItems(value.tuple, { ...at, allowance: at.allowance + end.length }), ownText(end)];
  }
  if (isDict(value)) return [ownText('{'), ...formatEntries(value, { ...at, allowance: at.allowance + 1 }), ownText('}')];
  return isText(value) && !value.markup && value.text !== '' ? formatText(value, at) : [repr];
}

function formatItems(items: readonly Value[], at: Position): TemplateText[] {
  const indent = at.indent + 1;
  return items.flatMap((item, index) => {
    const allowance = index === items.length - 1 ? at.allowance : 1;
    return [...(index === 0 ? [] : [newLine(',', indent)]), ...formatValue(item, { ...at, indent, allowance })];
  });
}

function newLine(before: string, indent: number): TemplateText {
  return ownText(`${before}\n${' '.repeat(indent)}`);
}

function formatEntries(dict: Dict, at: Position): TemplateText[] {
  const indent = at.indent + 1;
  const entries = [...dict.entries.values()];
  return entries.flatMap(({ key, value }, index) => {
    const repr = reprOf(key, at.budget);
    const allowance = index === entries.length - 1 ? at.allowance : 1;
    const formatted = formatValue(value, { ...at, indent: indent + charCount(repr.text) + 2, allowance });
    return [...(index === 0 ? [] : [newLine(',', indent)]), repr, ownText(': '), ...formatted];
  });
}

/** A string in pieces, one a line. */
function formatText(text: TemplateText, at: Position): TemplateText[] {
  const isTop = at.level === 1;
  const indent = at.indent + (isTop ? 1 : 0);
  const pieces = textPieces(text, { ...at, indent, allowance: at.allowance + (isTop ? 1 : 0) });
  if (pieces.length === 1) return pieces;
  const lines = pieces.flatMap((piece, index) => (index === 0 ? [piece] : [newLine('', indent), piece]));
  return isTop ? [ownText('('), ...lines, ownText(')')] : lines;
}

function textPieces(text: TemplateText, { indent, allowance, budget }: Position): TemplateText[] {
  const room = width - indent;
  const lines = splitLines(text, true, budget);
  return lines.flatMap((line, index) => {
    const isLast = index === lines.length - 1;
    const repr = reprOf(line, budget);
    return charCount(repr.text) <= room - (isLast ? allowance : 0)
      ? [repr]
      : linePieces(line, { room, last: room - (isLast ? allowance : 0), budget });
  });
}

interface Room {
  readonly room: number;
  /** For the last piece. */
  readonly last: number;
  readonly budget: Budget;
}

function linePieces(line: TemplateText, { room, last, budget }: Room): TemplateText[] {
  const pieces: TemplateText[] = [];
  const words = [...line.text.matchAll(/\S*\s*/g)].filter((match) => match[0] !== '');
  let from = 0;
  let to = 0;
  words.forEach((match, index) => {
    const end = match.index + match[0].length;
    const most = index === words.length - 1 ? last : room;
    if (to > from && charCount(reprOf(sliceText(line, from, end), budget).text) > most) {
      pieces.push(reprOf(sliceText(line, from, to), budget));
      from = to;
    }
    to = end;
  });
  pieces.push(reprOf(sliceText(line, from, to), budget));
  return pieces;
}
