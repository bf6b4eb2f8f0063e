/** All filters by name. */
import { fallbackFilters } from './filters/fallback-filters.ts';
import { groupFilters } from './filters/group-filters.ts';
import { htmlFilters } from './filters/html-filters.ts';
import { linkFilters } from './filters/link-filters.ts';
import { mapFilters } from './filters/map-filters.ts';
import { numberFilters } from './filters/number-filters.ts';
import { orderFilters } from './filters/order-filters.ts';
import { pprintFilters } from './filters/pprint-filter.ts';
import { sequenceFilters } from './filters/sequence-filters.ts';
import { textFilters } from './filters/text-filters.ts';
import { wrapFilters } from './filters/wrap-filters.ts';
import type { Filter, FilterCall } from './filter.ts';
import { TemplateError } from './template-errors.ts';
import type { Value } from './values.ts';

const filters: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...fallbackFilters,
  ...groupFilters,
  ...htmlFilters,
  ...linkFilters,
  ...mapFilters(applyFilter),
  ...numberFilters,
  ...orderFilters,
  ...pprintFilters,
  ...sequenceFilters,
  ...textFilters,
  ...wrapFilters,
]);

export const filterNames: ReadonlySet<string> = new Set(filters.keys());

/** @throws TemplateError for a filter that is not known */
export function applyFilter(name: string, value: Value, call: FilterCall): Value {
  const filter = filters.get(name);
  if (filter === undefined) throw new TemplateError(`there is no filter "${name.slice(0, 60)}"`);
  return filter(value, call);
}
