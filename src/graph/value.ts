/** What flows along the edges of a graph, and the references its ops carry. */

/**
 * A dimension: a number known when the graph is built, or one of the sizes of a step.
 * `rows` counts the tokens of all sequences of a step, one after another; `outRows` those whose logits are wanted.
 * Prefill, decode and batched decode differ only in these two.
 */
export type Dim = number | 'rows' | 'outRows';

export interface Value {
  /** Index of creation, unique in its graph. */
  readonly id: number;
  /**
   * `q8` are values rounded to int8 in blocks with scales, in a layout of the executor's own: only its plans hold them. `q8n` are
   * such values before an RMS norm's division, which their readers do.
   */
  readonly dtype: 'f32' | 'i32' | 'q8' | 'q8n';
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

/** Keys and values of one attention layer, addressed by pages that the engine hands out. */
export interface KvState {
  readonly kind: 'kv';
  /** Position in {@link Graph.states}. */
  readonly index: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** State kinds that later architectures add (conv, recurrent) join this union; only `kv` can rewind. */
export type State = KvState;

export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.join(', ')}]`;
}
