/** Filters that shorten texts. */
import { intArgument, intArgumentOr, textArgument } from '../arguments.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { firstChars } from '../format-spec.ts';
import { escapeText } from '../html.ts';
import { TemplateError } from '../template-errors.ts';
import { concatTexts, markupLike, ownText, sliceText } from '../template-text.ts';
import { charCount, isTruthy, lengthOf, typeName } from '../values.ts';

const leewayOfPolicies = 5;

export const wrapFilters: readonly (readonly [string, Filter])[] = [
  filter('truncate', [['length', 255], ['killwords', false], ['end', ownText('...')], ['leeway', null]], (value, [length, killWords, end, leeway], { budget }) => {
    const most = intArgument(length, 'truncate');
    const extra = intArgumentOr(leeway, 'truncate', leewayOfPolicies);
    const ending = textArgument(end, 'truncate');
    const kept = most - charCount(ending.text);
    if (kept < 0 || extra < 0) throw new TemplateError(`truncate: the length must be at least that of the end, and the leeway not negative`);
    const count = lengthOf(value);
    if (count === undefined) throw new TemplateError(`truncate: a value of type ${typeName(value)} has no length`);
    if (count <= most + extra) return value;
    const text = textArgument(value, 'truncate');
    budget.scan(text.text.length);
    const cut = firstChars(text, kept);
    const space = isTruthy(killWords) ? -1 : cut.text.lastIndexOf(' ');
    const start = space < 0 ? cut : sliceText(cut, 0, space);
    return markupLike(text, concatTexts([start, text.markup ? escapeText(ending, budget) : ending]));
  }),
];
