/** The filter `groupby`. */
import { pathOf } from '../access.ts';
import { isEqual } from '../compare.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { itemsOf } from '../iterate.ts';
import { isTruthy } from '../values.ts';
import type { Value } from '../values.ts';
import { keyOf, sortItems } from './order-filters.ts';

export const groupFilters: readonly (readonly [string, Filter])[] = [
  filter(
    'groupby',
    ['attribute', ['default', null], ['case_sensitive', false]],
    (value, [attribute, fallback, caseSensitive], { budget }) => {
      const orUndefined = fallback === null ? undefined : fallback;
      const key = (item: Value): Value => keyOf(item, attribute, { caseSensitive, budget, fallback: orUndefined });
      const groups: { key: Value; items: Value[] }[] = [];
      for (const item of sortItems(itemsOf(value, budget), { key, isReverse: false, budget })) {
        const last = groups.at(-1);
        if (last !== undefined && isEqual(last.key, key(item), budget)) last.items.push(item);
        else groups.push({ key: key(item), items: [item] });
      }
      return groups.map(({ key: sorted, items }) => {
        // The key as its first item has it, not in lower case.
        const grouper = isTruthy(caseSensitive) || attribute === null ? sorted : pathOf(items[0], attribute, orUndefined, budget);
        return { tuple: [grouper, items], names: { grouper, list: items } };
      });
    },
  ),
];
