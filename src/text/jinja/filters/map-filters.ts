/** Filters that apply a filter or a test to every item. Their items are made as somebody asks for them. */
import { pathOf } from '../access.ts';
import { textArgument } from '../arguments.ts';
import type { Filter, FilterCall } from '../filter.ts';
import { iteratorOf, lazyValue } from '../iterate.ts';
import { TemplateError } from '../template-errors.ts';
import { applyTest } from '../tests.ts';
import { isTruthy } from '../values.ts';
import type { Value } from '../values.ts';

type ApplyFilter = (name: string, value: Value, call: FilterCall) => Value;

export function mapFilters(applyFilter: ApplyFilter): readonly (readonly [string, Filter])[] {
  return [
    ['map', (value, call) => lazyValue(mapItems(value, call, applyFilter), 'generator object sync_do_map')],
    selecting('select', { byAttribute: false, keep: true }),
    selecting('reject', { byAttribute: false, keep: false }),
    selecting('selectattr', { byAttribute: true, keep: true }),
    selecting('rejectattr', { byAttribute: true, keep: false }),
  ];
}

function* mapItems(value: Value, call: FilterCall, applyFilter: ApplyFilter): Generator<Value> {
  if (!isTruthy(value)) return;
  const change = mapping(call, applyFilter);
  const items = iteratorOf(value, call.run.budget);
  for (let step = items.next(); !step.done; step = items.next()) {
    call.run.budget.spend(1);
    yield change(step.value);
  }
}

function mapping({ args, named, run }: FilterCall, applyFilter: ApplyFilter): (item: Value) => Value {
  if (args.length === 0 && named.has('attribute')) {
    for (const name of named.keys()) {
      if (name !== 'attribute' && name !== 'default') throw new TemplateError(`map has no argument "${name.slice(0, 60)}"`);
    }
    const fallback = named.get('default') ?? undefined;
    const attribute = named.get('attribute');
    return (item) => (attribute === null ? item : pathOf(item, attribute, fallback, run.budget));
  }
  const [name, ...rest] = args;
  if (args.length === 0) throw new TemplateError('map: the name of a filter is missing');
  const filter = textArgument(name, 'map').text;
  return (item) => applyFilter(filter, item, { args: rest, named, run });
}

interface Selecting {
  readonly byAttribute: boolean;
  readonly keep: boolean;
}

function selecting(name: string, options: Selecting): readonly [string, Filter] {
  return [name, (value, call) => lazyValue(selectItems(name, value, { ...call, ...options }), `generator object sync_do_${name}`)];
}

function* selectItems(name: string, value: Value, { args, named, run, byAttribute, keep }: FilterCall & Selecting): Generator<Value> {
  if (!isTruthy(value)) return;
  const [attribute, rest] = byAttribute ? [args[0], args.slice(1)] : [null, args];
  if (byAttribute && args.length === 0) throw new TemplateError(`${name}: the name of an attribute is missing`);
  const [test, ...testArgs] = rest;
  const items = iteratorOf(value, run.budget);
  for (let step = items.next(); !step.done; step = items.next()) {
    run.budget.spend(1);
    const tested = attribute === null ? step.value : pathOf(step.value, attribute, undefined, run.budget);
    const passed =
      rest.length === 0 ? isTruthy(tested) : applyTest(textArgument(test, name).text, tested, { args: testArgs, named, run });
    if (passed === keep) yield step.value;
  }
}
