/** str.format, as jinja2's sandbox runs it. */
import { bindArguments } from './arguments.ts';
import type { Budget } from './budget.ts';
import { dictOf, entryOf } from './dict.ts';
import { formatFloat, formatInt, formatText, parseFormatSpec } from './format-spec.ts';
import { escapeText } from './html.ts';
import { asciiRepr } from './percent-format.ts';
import { reprOf, textOf } from './printing.ts';
import { TemplateError } from './template-errors.ts';
import { concatWithin, markupLike, ownText, sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isDict, isFloat, isInt, isText, typeName } from './values.ts';
import type { Callable, Value } from './values.ts';

/** How a format looks into its values. */
export interface Lookup {
  readonly budget: Budget;
  attributeOf(value: Value, name: string, budget: Budget): Value;
  itemOf(value: Value, key: Value, budget: Budget): Value;
}

interface Fields extends Lookup {
  readonly args: readonly Value[];
  readonly named: Value;
  readonly markup: boolean;
  /** Of the next field without a number; undefined once fields are numbered. */
  next: number | undefined;
}

/** The methods `format` and `format_map` of a text. */
export function formatMethodOf(self: TemplateText, name: 'format' | 'format_map', lookup: Lookup): Callable {
  return {
    name,
    shown: `<built-in method ${name} of str object>`,
    call(args, named) {
      const values =
        name === 'format'
          ? dictOf([...named].map(([key, value]) => [ownText(key), value] as const))
          : bindArguments(name, ['mapping'], { args, named }, true)[0];
      const fields: Fields = { ...lookup, args: name === 'format' ? args : [], named: values, markup: self.markup === true, next: 0 };
      return markupLike(self, formatFields(self, fields, 0));
    },
  };
}

const maxNesting = 2;

function formatFields(format: TemplateText, fields: Fields, depth: number): TemplateText {
  if (depth >= maxNesting) throw new TemplateError('format: fields are nested too deep');
  const { text } = format;
  fields.budget.scan(text.length);
  const parts: TemplateText[] = [];
  let from = 0;
  for (let at = nextBrace(text, 0); at < text.length; at = nextBrace(text, from)) {
    parts.push(sliceText(format, from, at));
    if (text[at] === text[at + 1]) {
      parts.push(ownText(text[at]!));
      from = at + 2;
      continue;
    }
    if (text[at] === '}') throw new TemplateError('format: a "}" stands alone');
    const end = fieldEnd(text, at);
    parts.push(formatField(sliceText(format, at + 1, end), fields, depth));
    from = end + 1;
  }
  parts.push(sliceText(format, from, text.length));
  return concatWithin(parts, fields.budget);
}

function nextBrace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== '{' && text[at] !== '}') at++;
  return at;
}

function fieldEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  throw new TemplateError('format: a "{" is never closed');
}

const fieldPattern = /^([^!:[]*(?:\[[^\]]*\][^!:[]*)*)(?:!([\s\S]))?(?::([\s\S]*))?$/u;

function formatField(field: TemplateText, fields: Fields, depth: number): TemplateText {
  const match = fieldPattern.exec(field.text);
  if (match === null) throw new TemplateError(`format: "{${field.text.slice(0, 60)}}" is not a field`);
  const [, name, conversion, spec = ''] = match;
  const value = fieldValue(name!, fields);
  const shown = /[{}]/.test(spec) ? formatFields(ownText(spec), fields, depth + 1).text : spec;
  return formatValue(converted(value, conversion, fields.budget), shown, fields);
}

const partPattern = /\.([^.[]*)|\[([^\]]*)\]/g;

function fieldValue(name: string, fields: Fields): Value {
  const first = /^[^.[]*/.exec(name)![0];
  let value = firstValue(first, name.slice(first.length), fields);
  let at = first.length;
  for (const match of name.slice(first.length).matchAll(partPattern)) {
    const [whole, attribute, item] = match;
    if (match.index + first.length !== at || (attribute ?? item) === '') break;
    at += whole.length;
    if (attribute === undefined) value = fields.itemOf(value, /^\d+$/.test(item!) ? Number(item) : ownText(item!), fields.budget);
    else value = fields.attributeOf(value, attribute, fields.budget);
  }
  if (at !== name.length) throw new TemplateError(`format: "${name.slice(0, 60)}" is not the name of a field`);
  return value;
}

function firstValue(name: string, rest: string, fields: Fields): Value {
  if (name !== '' && !/^\d+$/.test(name)) {
    const entry = isDict(fields.named) ? entryOf(fields.named, ownText(name)) : undefined;
    if (entry === undefined) throw new TemplateError(`format: there is no value "${name.slice(0, 60)}"`);
    return entry.value;
  }
  const isNumbered = name !== '';
  if (!isNumbered && rest !== '') throw new TemplateError('format: a field with a part of a value needs a number or name');
  if (fields.next === undefined ? !isNumbered : isNumbered && fields.next > 0)
    throw new TemplateError('format: fields with and without numbers are mixed');
  const index = isNumbered ? Number(name) : fields.next!;
  fields.next = isNumbered ? undefined : index + 1;
  if (index >= fields.args.length) throw new TemplateError(`format: there is no value ${index}`);
  return fields.args[index];
}

function converted(value: Value, conversion: string | undefined, budget: Budget): Value {
  if (conversion === undefined) return value;
  if (conversion === 's') return textOf(value, budget);
  if (conversion === 'r') return reprOf(value, budget);
  if (conversion === 'a') return asciiRepr(value, budget);
  throw new TemplateError(`format: there is no conversion "!${conversion}"`);
}

function formatValue(value: Value, spec: string, { budget, markup }: Fields): TemplateText {
  if (markup) {
    if (isText(value) && value.markup && spec !== '') throw new TemplateError('format: markup takes no format');
    if (isText(value) && value.markup) return value;
    return escapeText(formatValue(value, spec, { budget, markup: false } as Fields), budget);
  }
  if (spec === '') return textOf(value, budget);
  if (isText(value)) return formatText(value, parseFormatSpec(spec, true), budget);
  if (isFloat(value)) return formatFloat(value.float, parseFormatSpec(spec), budget);
  if (isInt(value)) return formatInt(BigInt(value), parseFormatSpec(spec), budget);
  throw new TemplateError(`format: a value of type ${typeName(value)} takes no format`);
}
