/** What a filter is. */
import { bindArguments } from './arguments.ts';
import type { GivenArguments, Parameter } from './arguments.ts';
import type { RunContext } from './scope.ts';
import type { Value } from './values.ts';

export interface FilterCall extends GivenArguments {
  readonly run: RunContext;
}

export type Filter = (value: Value, call: FilterCall) => Value;

/** A filter with its parameters behind the value, which can all be given by name. */
export function filter(
  name: string,
  parameters: readonly Parameter[],
  apply: (value: Value, args: readonly Value[], run: RunContext) => Value,
): readonly [string, Filter] {
  return [name, (value, call) => apply(value, bindArguments(name, parameters, call), call.run)];
}
