/** Filters for HTML and URLs. */
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { dictItems } from '../dict.ts';
import { escapePlain, escapeText } from '../html.ts';
import { isIterable, itemsOf } from '../iterate.ts';
import { textOf } from '../printing.ts';
import type { RunContext } from '../scope.ts';
import { TemplateError } from '../template-errors.ts';
import { asMarkup, concatTexts, mapText, ownText } from '../template-text.ts';
import type { TemplateText } from '../template-text.ts';
import { isDict, isText, isTruthy, typeName } from '../values.ts';
import type { Value } from '../values.ts';
import { joinTextsWithin } from '../split-text.ts';
import { textArgument } from '../arguments.ts';

const escaping = (name: string): readonly [string, Filter] => filter(name, [], (value, _args, { budget }) => escapeText(value, budget));

export const htmlFilters: readonly (readonly [string, Filter])[] = [
  escaping('escape'),
  escaping('e'),
  filter('forceescape', [], (value, _args, { budget }) => escapePlain(textOf(value, budget), budget)),
  filter('safe', [], (value, _args, { budget }) => asMarkup(textOf(value, budget))),
  filter('urlencode', [], urlEncode),
  filter('xmlattr', [['autospace', true]], xmlAttributes),
];

function xmlAttributes(value: Value, [autospace]: readonly Value[], { budget, autoescape }: RunContext): Value {
  if (!isDict(value)) throw new TemplateError(`xmlattr: cannot be applied to a value of type ${typeName(value)}`);
  const attributes: TemplateText[] = [];
  for (const entry of value.entries.values()) {
    if (entry.value === null || entry.value === undefined) continue;
    const key = textArgument(entry.key, 'xmlattr');
    if (/[ \t\n\r\f\v/>=]/.test(key.text)) throw new TemplateError('xmlattr: the name of an attribute holds white space or one of />=');
    attributes.push(concatTexts([escapeText(key, budget), ownText('="'), escapeText(entry.value, budget), ownText('"')]));
  }
  const joined = joinTextsWithin(attributes, ownText(' '), budget);
  const spaced = isTruthy(autospace) && joined.text !== '' ? concatTexts([ownText(' '), joined]) : joined;
  return autoescape ? asMarkup(spaced) : spaced;
}

/** Percent-encoding of UTF-8. */
function quoteUrl(value: Value, inQuery: boolean, { budget }: RunContext): TemplateText {
  const text = textOf(value, budget);
  budget.scan(text.text.length * 4);
  return mapText(text, (plain) => {
    const quoted = encodeURIComponent(plain).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
    return inQuery ? quoted.replaceAll('%20', '+') : quoted.replaceAll('%2F', '/');
  });
}

function urlEncode(value: Value, _args: readonly Value[], run: RunContext): Value {
  if (isText(value) || !isIterable(value)) return quoteUrl(value, false, run);
  const pairs = isDict(value) ? dictItems(value) : itemsOf(value, run.budget);
  const parts = pairs.map((pair) => {
    const items = itemsOf(pair, run.budget);
    if (items.length !== 2) throw new TemplateError('urlencode: expected pairs of a name and a value');
    return concatTexts([quoteUrl(items[0], true, run), ownText('='), quoteUrl(items[1], true, run)]);
  });
  return joinTextsWithin(parts, ownText('&'), run.budget);
}
