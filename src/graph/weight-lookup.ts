/** What planners ask of weights by their ids. */
import type { WeightType } from '../tensor/tensor-type.ts';
import type { ProgramRequest, WeightSource } from './executor.ts';
import { formatShape } from './value.ts';
import type { WeightRef } from './value.ts';

export type TypeOf = (weightId: string) => WeightType;

/** @throws Error for a weight that the request does not hold */
export function sourceOf({ model, weights }: ProgramRequest, id: string): WeightSource {
  const source = weights.get(id);
  if (source === undefined) throw new Error(`model ${model.name}: no source for weight ${id}`);
  return source;
}

/** A weight as a printed plan shows it: id, type, shape. */
export function shownWeight({ id, shape }: WeightRef, typeOf: TypeOf): string {
  return `${id} ${typeOf(id)}${formatShape(shape)}`;
}
