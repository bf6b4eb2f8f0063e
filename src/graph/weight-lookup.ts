/** What planners ask of weights by their ids. */
import type { WeightType } from '../tensor/tensor-type.ts';
import type { WeightSource } from './executor.ts';
import type { ModelGraphs } from './model-graphs.ts';
import { formatShape } from './value.ts';
import type { WeightRef } from './value.ts';

export type TypeOf = (weightId: string) => WeightType;

/** A model, and where its weights come from: a decoder, or what an executor is asked to load. */
export interface WeightedModel {
  readonly model: ModelGraphs;
  readonly weights: ReadonlyMap<string, WeightSource>;
}

/** @throws Error for a weight that there is no source for */
export function sourceOf({ model, weights }: WeightedModel, id: string): WeightSource {
  const source = weights.get(id);
  if (source === undefined) throw new Error(`model ${model.name}: no source for weight ${id}`);
  return source;
}

/** A weight as a printed plan shows it: id, type, shape. */
export function shownWeight({ id, shape }: WeightRef, typeOf: TypeOf): string {
  return `${id} ${typeOf(id)}${formatShape(shape)}`;
}
