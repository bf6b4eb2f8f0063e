/** What a sequence leaves behind for its next tokens. The graph declares it; executors hold it; the engine says where. */

/** Keys and values of attention by position, in pages that the engine hands out. */
export interface PagedState {
  readonly kind: 'paged';
  /** Position among the states of its model. */
  readonly index: number;
  /** Key heads. */
  readonly heads: number;
  /** Width of one head's key, and of its value. */
  readonly keyDim: number;
  readonly valueDim: number;
}

export type State = PagedState;
export type PagedShape = Pick<PagedState, 'heads' | 'keyDim' | 'valueDim'>;

/** `paged.3` */
export function stateName({ kind, index }: State): string {
  return `${kind}.${index}`;
}

export function printState(state: State): string {
  const { heads, keyDim, valueDim } = state;
  return `${stateName(state)} heads=${heads} keyDim=${keyDim} valueDim=${valueDim}`;
}
