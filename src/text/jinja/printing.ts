/** Values as text: Python's str and repr, and json.dumps. */
import type { Budget } from './budget.ts';
import { concatTexts, foreignText, ownText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isCallable, isDict, isFloat, isList, isNamespace, isText, keyText, TemplateError, typeName } from './values.ts';
import type { Value } from './values.ts';

/** Python's str(). A list may hold another many times over: printing counts each time. */
export function textOf(value: Value, budget: Budget): TemplateText {
  if (value === undefined) return ownText('');
  return isText(value) ? value : reprOf(value, budget);
}

function reprOf(value: Value, budget: Budget): TemplateText {
  budget.spend(1);
  if (value === undefined) return ownText('Undefined');
  if (value === null) return ownText('None');
  if (typeof value === 'boolean') return ownText(value ? 'True' : 'False');
  if (typeof value === 'number') return ownText(intText(value));
  if (isFloat(value)) return ownText(floatText(value.float));
  if (isText(value)) return quoted(value, pythonQuote, budget);
  if (isList(value)) return surround(['[', ']'], value.map((item) => reprOf(item, budget)), budget);
  if (isDict(value)) {
    const items = [...value.entries].map(([key, item]) => concatTexts([quoted(keyText(value, key), pythonQuote, budget), ownText(': '), reprOf(item, budget)]));
    return surround(['{', '}'], items, budget);
  }
  return ownText(isNamespace(value) ? '<Namespace>' : `<function ${isCallable(value) ? value.name : ''}>`);
}

function surround([open, close]: readonly [string, string], items: readonly TemplateText[], budget: Budget): TemplateText {
  checkLength(items, budget);
  const parts = items.flatMap((item, index) => (index === 0 ? [item] : [ownText(', '), item]));
  return concatTexts([ownText(open), ...parts, ownText(close)]);
}

/** Asks for the text that items make, before it is made. */
function checkLength(items: readonly TemplateText[], budget: Budget): void {
  const units = items.reduce((sum, { text }) => sum + text.length + 2, 2);
  budget.allowText(units);
  budget.scan(units);
}

/** Quoting changes lengths, so a text with a foreign part is foreign as a whole. */
function quoted(value: TemplateText, quote: (text: string) => string, budget: Budget): TemplateText {
  budget.scan(value.text.length);
  const text = quote(value.text);
  return value.foreign.length === 0 ? ownText(text) : foreignText(text);
}

function pythonQuote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const names: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\', [mark]: `\\${mark}` };
  let body = '';
  for (const char of text) {
    const code = char.charCodeAt(0);
    const printable = code >= 0x20 && (code < 0x7f || code > 0xa0);
    body += names[char] ?? (printable ? char : `\\x${code.toString(16).padStart(2, '0')}`);
  }
  return mark + body + mark;
}

const exactDigits = 17;

function intText(value: number): string {
  return Math.abs(value) < 1e21 ? String(value) : BigInt(value).toString();
}

/** Python's repr of a float: always with a point or an exponent, the latter from 1e16 on and in two digits. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [digits, exponent] = shortExponential(value).split('e');
    const sign = exponent!.startsWith('-') ? '-' : '+';
    return `${digits}e${sign}${exponent!.replace(/^[+-]/, '').padStart(2, '0')}`;
  }
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('.') ? text : `${text}.0`;
}

function shortExponential(value: number): string {
  for (let digits = 0; digits < exactDigits; digits++) {
    const text = value.toExponential(digits);
    if (Number(text) === value) return text;
  }
  return value.toExponential();
}

export interface JsonStyle {
  readonly indent: number | undefined;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly sortKeys: boolean;
  readonly ensureAscii: boolean;
  readonly budget: Budget;
}

/** json.dumps. @throws TemplateError for what is not JSON */
export function jsonOf(value: Value, style: JsonStyle, depth = 0): TemplateText {
  style.budget.spend(1);
  if (value === null) return ownText('null');
  if (typeof value === 'boolean') return ownText(String(value));
  if (typeof value === 'number') return ownText(intText(value));
  if (isFloat(value)) return ownText(jsonFloat(value.float));
  if (isText(value)) return quoted(value, (text) => jsonQuote(text, style), style.budget);
  if (isList(value)) {
    return jsonItems('[]', value.map((item) => jsonOf(item, style, depth + 1)), style, depth);
  }
  if (isDict(value)) {
    const entries = [...value.entries];
    if (style.sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
    const items = entries.map(([key, item]) => {
      const name = quoted(keyText(value, key), (text) => jsonQuote(text, style), style.budget);
      return concatTexts([name, ownText(style.keySeparator), jsonOf(item, style, depth + 1)]);
    });
    return jsonItems('{}', items, style, depth);
  }
  throw new TemplateError(`tojson: a value of type ${typeName(value)} is not JSON`);
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return floatText(value);
}

function jsonQuote(text: string, style: JsonStyle): string {
  // JSON.stringify escapes lone surrogates, which json.dumps leaves; texts here are sound, so none are left to differ.
  const json = JSON.stringify(text);
  return style.ensureAscii ? json.replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`) : json;
}

function jsonItems(brackets: string, items: readonly TemplateText[], style: JsonStyle, depth: number): TemplateText {
  const [open, close] = brackets;
  if (items.length === 0) return ownText(brackets);
  checkLength(items, style.budget);
  const line = (level: number): string => (style.indent === undefined ? '' : `\n${' '.repeat(style.indent * level)}`);
  const parts = items.flatMap((item, index) => [ownText((index === 0 ? '' : style.itemSeparator) + line(depth + 1)), item]);
  return concatTexts([ownText(open!), ...parts, ownText(line(depth) + close!)]);
}

