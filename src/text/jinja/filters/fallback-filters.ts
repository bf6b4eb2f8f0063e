/** Filters for values that may not be there, and for looking into values. */
import { ownAttribute } from '../access.ts';
import { textArgument } from '../arguments.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { textOf } from '../printing.ts';
import { TemplateError } from '../template-errors.ts';
import { ownText } from '../template-text.ts';
import { isText, isTruthy } from '../values.ts';
import type { Value } from '../values.ts';

const orDefault = (name: string): readonly [string, Filter] =>
  filter(
    name,
    [
      ['default_value', ownText('')],
      ['boolean', false],
    ],
    (value, [fallback, forFalse]) => (value === undefined || (isTruthy(forFalse) && !isTruthy(value)) ? fallback : value),
  );

function attributeValue(value: Value, name: Value, budget: Parameters<typeof ownAttribute>[2]): Value {
  const { text } = textArgument(name, 'attr');
  if (value === undefined && !/^__.*__$/.test(text))
    throw new TemplateError(`attr: cannot read "${text.slice(0, 60)}" of an undefined value`);
  return ownAttribute(value, text, budget);
}

export const fallbackFilters: readonly (readonly [string, Filter])[] = [
  orDefault('default'),
  orDefault('d'),
  filter('attr', ['name'], (value, [name], { budget }) => attributeValue(value, name, budget)),
  filter('string', [], (value, _args, { budget }) => (isText(value) ? value : textOf(value, budget))),
  [
    'random',
    () => {
      throw new TemplateError('the filter "random" is not supported: a choice by chance gives no prompt that can be repeated');
    },
  ],
];
