/** Values as JSON: Python's json.dumps. */
import type { Budget } from './budget.ts';
import { compareValues } from './compare.ts';
import { jsonFloatText } from './float-text.ts';
import { checkLength, intText, quoted } from './printing.ts';
import { TemplateError } from './template-errors.ts';
import { concatTexts, ownText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isDict, isFloat, isInt, isText, sequenceOf, typeName } from './values.ts';
import type { Dict, Value } from './values.ts';

export interface JsonStyle {
  /** Of one level; without it all is on one line. */
  readonly indent: TemplateText | undefined;
  readonly itemSeparator: TemplateText;
  readonly keySeparator: TemplateText;
  readonly sortKeys: boolean;
  readonly ensureAscii: boolean;
  readonly budget: Budget;
}

/** @throws TemplateError for what is not JSON */
export function jsonOf(value: Value, style: JsonStyle, depth = 0): TemplateText {
  style.budget.spend(1);
  if (value === null) return ownText('null');
  if (typeof value === 'boolean') return ownText(String(value));
  if (isInt(value)) return ownText(intText(value));
  if (isFloat(value)) return ownText(jsonFloatText(value.float));
  if (isText(value)) return quoted(value, (text) => jsonQuote(text, style), style.budget);
  style.budget.enter();
  const text = containerJson(value, style, depth);
  style.budget.leave();
  return text;
}

function containerJson(value: Value, style: JsonStyle, depth: number): TemplateText {
  const sequence = sequenceOf(value);
  if (sequence !== undefined)
    return jsonItems(
      '[]',
      sequence.map((item) => jsonOf(item, style, depth + 1)),
      style,
      depth,
    );
  if (isDict(value)) return jsonItems('{}', jsonEntries(value, style, depth), style, depth);
  throw new TemplateError(`tojson: a value of type ${typeName(value)} is not JSON`);
}

function jsonEntries(dict: Dict, style: JsonStyle, depth: number): TemplateText[] {
  const entries = [...dict.entries.values()];
  if (style.sortKeys) entries.sort((a, b) => compareValues(a.key, b.key, style.budget));
  return entries.map(({ key, value }) => concatTexts([jsonKey(key, style), style.keySeparator, jsonOf(value, style, depth + 1)]));
}

function jsonKey(key: Value, style: JsonStyle): TemplateText {
  if (isText(key)) return jsonOf(key, style);
  if (key === null || isInt(key) || isFloat(key)) return ownText(`"${jsonOf(key, style).text}"`);
  throw new TemplateError(`tojson: a key of type ${typeName(key)} is not JSON`);
}

const jsonEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function jsonQuote(text: string, style: JsonStyle): string {
  const escaped = text.replace(
    /["\\\x00-\x1f]/g,
    (char) => jsonEscapes[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const json = `"${escaped}"`;
  return style.ensureAscii ? json.replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`) : json;
}

function jsonItems(brackets: string, items: readonly TemplateText[], style: JsonStyle, depth: number): TemplateText {
  const [open, close] = brackets;
  if (items.length === 0) return ownText(brackets);
  const { indent } = style;
  const line = (level: number): TemplateText[] =>
    indent === undefined ? [] : [ownText('\n'), ...Array.from({ length: level }, () => indent)];
  const inner = line(depth + 1);
  const between = [style.itemSeparator, ...inner];
  checkLength(items, style.budget);
  style.budget.allowText(items.length * between.reduce((sum, { text }) => sum + text.length, 0));
  style.budget.spend((items.length * between.length) / 4);
  const parts = items.flatMap((item, index) => [...(index === 0 ? inner : between), item]);
  return concatTexts([ownText(open!), ...parts, ...line(depth), ownText(close!)]);
}
