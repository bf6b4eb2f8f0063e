/** Values as text: Python's str and repr. */
import type { Budget } from './budget.ts';
import { floatText } from './float-text.ts';
import { TemplateError } from './template-errors.ts';
import { concatTexts, foreignText, ownText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isDict, isFloat, isInt, isLazy, isList, isNamespace, isOpaque, isRange, isText, isTuple, isView } from './values.ts';
import type { Dict, Range, Value } from './values.ts';

/** Python's str(); of a markup, the markup. A list may hold another many times over: printing counts each time. */
export function textOf(value: Value, budget: Budget): TemplateText {
  if (value === undefined) return ownText('');
  return isText(value) ? value : reprOf(value, budget);
}

/** Python's repr(). */
export function reprOf(value: Value, budget: Budget): TemplateText {
  budget.spend(1);
  if (value === undefined) return ownText('Undefined');
  if (value === null) return ownText('None');
  if (typeof value === 'boolean') return ownText(value ? 'True' : 'False');
  if (isInt(value)) return ownText(intText(value));
  if (isFloat(value)) return ownText(floatText(value.float));
  if (isText(value)) return textRepr(value, budget);
  budget.enter();
  const text = containerRepr(value, budget);
  budget.leave();
  return text;
}

/** @throws TemplateError for an int that Python refuses to write, too */
export function intText(value: number | bigint | boolean): string {
  if (typeof value === 'bigint' && (value > 10n ** 4300n || value < -(10n ** 4300n)))
    throw new TemplateError('an integer has more than 4300 digits');
  return String(Number.isSafeInteger(value) ? value : BigInt(value));
}

function textRepr(value: TemplateText, budget: Budget): TemplateText {
  const plain = quoted(value, pythonQuote, budget);
  return value.markup ? concatTexts([ownText('Markup('), plain, ownText(')')]) : plain;
}

function containerRepr(value: Exclude<Value, undefined | null | boolean | number | bigint>, budget: Budget): TemplateText {
  const items = (values: readonly Value[]): TemplateText[] => values.map((item) => reprOf(item, budget));
  if (isList(value)) return surround(['[', ']'], items(value), budget);
  if (isTuple(value)) return surround(['(', value.tuple.length === 1 ? ',)' : ')'], items(value.tuple), budget);
  if (isDict(value)) return dictRepr(value, budget);
  if (isView(value)) return surround([`${value.view}([`, '])'], items(value.items), budget);
  if (isRange(value)) return ownText(rangeText(value));
  if (isNamespace(value)) {
    const pairs = [...value.fields].map(([name, item]) =>
      concatTexts([quoted(foreignText(name), pythonQuote, budget), ownText(': '), reprOf(item, budget)]),
    );
    return concatTexts([ownText('<Namespace '), surround(['{', '}'], pairs, budget), ownText('>')]);
  }
  if (isLazy(value)) return ownText(`<${value.typeName} at 0x0>`);
  if (isOpaque(value)) return ownText(value.shown);
  return ownText('call' in value ? (value.shown ?? `<function ${value.name}>`) : '<object>');
}

function rangeText({ start, stop, step }: Range): string {
  return `range(${[start, stop, ...(step === 1 ? [] : [step])].map(intText).join(', ')})`;
}

function dictRepr(value: Dict, budget: Budget): TemplateText {
  const pairs = Array.from(value.entries.values(), ({ key, value: item }) =>
    concatTexts([reprOf(key, budget), ownText(': '), reprOf(item, budget)]),
  );
  return surround(['{', '}'], pairs, budget);
}

function surround([open, close]: readonly [string, string], items: readonly TemplateText[], budget: Budget): TemplateText {
  checkLength(items, budget);
  const parts = items.flatMap((item, index) => (index === 0 ? [item] : [ownText(', '), item]));
  return concatTexts([ownText(open), ...parts, ownText(close)]);
}

/** Asks for the text that items make, before it is made. */
export function checkLength(items: readonly TemplateText[], budget: Budget): void {
  const units = items.reduce((sum, { text }) => sum + text.length + 2, 2);
  budget.allowText(units);
  budget.scan(units);
}

/** Quoting changes lengths, so a text with a foreign part is foreign as a whole. */
export function quoted(value: TemplateText, quote: (text: string) => string, budget: Budget): TemplateText {
  budget.scan(value.text.length);
  const text = quote(value.text);
  return value.foreign.length === 0 ? ownText(text) : foreignText(text);
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

function pythonQuote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\p{C}\p{Z}'"\\]/gu, (char) => {
    if (char === ' ') return char;
    if (char === "'" || char === '"') return char === mark ? `\\${char}` : char;
    return escapes[char] ?? codeEscape(char.codePointAt(0)!);
  });
  return mark + body + mark;
}

function codeEscape(code: number): string {
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}
