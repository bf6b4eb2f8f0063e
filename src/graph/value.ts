/** What flows along the edges of a graph, and the references its ops carry. */

/** A dimension: a number known when the graph is built, or the name of a size that every run gives, or that is derived from those. */
export type Dim = number | string;

/** Element types of a graph's values. Executors' plans may hold values of further types. */
export type GraphType = 'f32' | 'i32';

export interface Value<Type extends string = GraphType> {
  /** Index of creation, unique in its graph. */
  readonly id: number;
  readonly dtype: Type;
  /** Outermost dimension first; the last one is contiguous. */
  readonly shape: readonly Dim[];
  /** Dotted path of the op that made it: `layers.3.attn.q`. */
  readonly label: string;
}

/** A weight that an op multiplies with, by the id under which the model declares it. */
export interface WeightRef {
  readonly id: string;
  /** [out, in] for a matrix, [n] for a gain or a bias. */
  readonly shape: readonly number[];
}

export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.join(', ')}]`;
}

/** Elements of one row of a value: the product of all dims but the outermost. */
export function widthOf({ shape }: Pick<Value<string>, 'shape'>): number {
  return shape.slice(1).reduce<number>((product, dim) => product * (dim as number), 1);
}
