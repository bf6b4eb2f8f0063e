/** What a sequence leaves behind for its next tokens. The graph declares it; executors hold it; the engine says where. */

/** Keys and values of attention by position, in pages that the engine hands out. */
export interface PagedState {
  readonly kind: 'paged';
  /** Position among the states of its model. */
  readonly index: number;
  /** Which page table says where it lies: states of one window share one, and memories another. */
  readonly group: number;
  /** Key heads. */
  readonly heads: number;
  /** Width of one head's key, and of its value. */
  readonly keyDim: number;
  readonly valueDim: number;
  /** Only the last `window` positions are kept, at least 1; undefined: all of them. */
  readonly window: number | undefined;
  /** True: the rows of one graph write it, once, and every row of another sees all of it (cross attention). */
  readonly memory: boolean;
  /** Most positions that a sequence has in it; undefined: as many as a program has room for. */
  readonly positions: number | undefined;
}

/** Numbers of a fixed shape, zeros before the first token, that every step replaces: those of a short convolution, or of a recurrence. */
export interface SlotState {
  readonly kind: 'slot';
  /** Position among the states of its model. */
  readonly index: number;
  readonly shape: readonly number[];
  readonly dtype: 'f32';
}

export type State = PagedState | SlotState;

/** Where they are not given, `window` and `positions` are undefined and `memory` false. */
export type PagedShape = Pick<PagedState, 'heads' | 'keyDim' | 'valueDim'> & Partial<Pick<PagedState, 'window' | 'memory' | 'positions'>>;
export type SlotShape = Pick<SlotState, 'shape' | 'dtype'>;

/** States of one window, or memories: they have a page table together. */
export interface StateGroup {
  readonly window: number | undefined;
  readonly memory: boolean;
  readonly states: readonly PagedState[];
}

export function pagedStates(states: readonly State[]): readonly PagedState[] {
  return states.filter((state) => state.kind === 'paged');
}

export function slotStates(states: readonly State[]): readonly SlotState[] {
  return states.filter((state) => state.kind === 'slot');
}

/** In the order of their first states; `state.group` is an index into them. */
export function stateGroups(states: readonly State[]): readonly StateGroup[] {
  const paged = pagedStates(states);
  const groups = [...new Map(paged.map((state) => [state.group, state])).values()].sort((a, b) => a.group - b.group);
  return groups.map(({ group, window, memory }) => ({ window, memory, states: paged.filter((state) => state.group === group) }));
}

/** A paged state after those that a model has. @throws Error for a window that is none */
export function nextPagedState(states: readonly State[], shape: PagedShape): PagedState {
  const { heads, keyDim, valueDim, window, memory = false, positions } = shape;
  if (window !== undefined && !(Number.isSafeInteger(window) && window >= 1))
    throw new Error(`a state's window must be 1 position or more, found ${window}`);
  const paged = pagedStates(states);
  if (window !== undefined && memory) throw new Error(`a state that is a memory has no window, found ${window}`);
  const known = paged.find((state) => state.window === window && state.memory === memory);
  const group = known?.group ?? Math.max(-1, ...paged.map((state) => state.group)) + 1;
  return { kind: 'paged', index: states.length, group, heads, keyDim, valueDim, window, memory, positions };
}

/** `paged.3` */
export function stateName({ kind, index }: State): string {
  return `${kind}.${index}`;
}

export function printState(state: State): string {
  if (state.kind === 'slot') return `${stateName(state)} ${state.dtype}[${state.shape.join(', ')}]`;
  const { heads, keyDim, valueDim, window, memory, positions } = state;
  const most = positions === undefined ? '' : ` positions=${positions}`;
  const kind = `${window === undefined ? '' : ` window=${window}`}${memory ? ' memory' : ''}${most}`;
  return `${stateName(state)} heads=${heads} keyDim=${keyDim} valueDim=${valueDim}${kind}`;
}
