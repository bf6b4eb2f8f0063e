/**
 * A deterministic pushdown automaton over bytes in words: what `text/` makes of a grammar, and what executors follow by themselves. This is
 * the layout and its meaning; kernels do the same (`gpu/kernels/sample/table-walk.ts`).
 *
 * Words: how many classes bytes have, the end among them; where the pushes begin; two that pad. From {@link TABLE_CLASSES} on the class
 * of each byte, four a word, low bytes first. From {@link TABLE_ROWS} on a row of actions for each state, one a class, the last one for the
 * end of the text. Then, from where the pushes begin, for each push where its states lie; there how many, and the states, the topmost last.
 *
 * An action is the next state and, above {@link STATE_BITS} bits, the number of a push, 0 for none; or {@link TABLE_DEAD}; or
 * {@link TABLE_POP}: the state on top of the stack takes the place of this one, and then the same byte. The end may follow where pops lead
 * to one more pop on no stack.
 */
export const TABLE_CLASSES = 4;
export const TABLE_ROWS = TABLE_CLASSES + 64;
export const STATE_BITS = 14;
export const TABLE_DEAD = 0xffff_ffff;
export const TABLE_POP = 0xffff_fffe;

/** States of a place's stack, at most. A byte that would put one more there cannot follow. */
export const MOST_STACK = 500;

/**
 * States that the bytes of one token may put on the stack, above what they take from it: kernels hold them beside the place, and follow no
 * token that puts more. No push of a table is longer, so that bytes one by one can always follow.
 */
export const MOST_PUSHED = 32;

/** Where a text stands: the state, and what is under it, the topmost last. Not changed by who follows it. */
export interface TablePlace {
  readonly state: number;
  readonly stack: readonly number[];
}

/** The bytes of a vocabulary's tokens in words: a span for each token, then bytes, four a word, low ones first. */
export interface TokenSpans {
  readonly vocabSize: number;
  /**
   * A span is the word (behind the spans) at which the bytes begin, and in its low {@link SPAN_LENGTH_BITS} bits how many they are; 0 for a
   * token that cannot follow, {@link END_SPAN} for one that ends an answer.
   */
  readonly words: Uint32Array<ArrayBuffer>;
}

export const SPAN_LENGTH_BITS = 8;
export const END_SPAN = 0xffff_ffff;

/** A grammar, and where an answer to it stands. */
export interface TokenGrammar {
  /** The same for all grammars of a model. */
  readonly spans: TokenSpans;
  /** The same for all answers to a grammar. */
  readonly table: Uint32Array<ArrayBuffer>;
  /** Undefined: the answer is over, and anything may follow. */
  readonly place: TablePlace | undefined;
}

/** The place after a byte; undefined where it cannot follow. */
export function takeByte(table: Uint32Array, place: TablePlace, byte: number): TablePlace | undefined {
  const own = ((table[TABLE_CLASSES + (byte >> 2)] as number) >>> ((byte & 3) * 8)) & 0xff;
  const found = actionAt(table, place, own);
  if (found === undefined || found.action === TABLE_POP) return undefined;
  const { action, depth } = found;
  const next = action & ((1 << STATE_BITS) - 1);
  const push = action >>> STATE_BITS;
  // Most bytes, within texts and numbers, leave the stack as it is.
  if (push === 0 && depth === place.stack.length) return { state: next, stack: place.stack };
  const at = table[(table[1] as number) + push] as number;
  const pushed = table.subarray(at + 1, at + 1 + (table[at] as number));
  if (depth + pushed.length > MOST_STACK) return undefined;
  return { state: next, stack: [...place.stack.slice(0, depth), ...pushed] };
}

/** Whether the text may end. */
export function mayEnd(table: Uint32Array, place: TablePlace): boolean {
  return actionAt(table, place, (table[0] as number) - 1)?.action === TABLE_POP;
}

/** What is done for a class, once that is no pop or the stack is empty, and how much of that is left then; undefined where nothing is. */
function actionAt(table: Uint32Array, { state, stack }: TablePlace, own: number) {
  const classes = table[0] as number;
  for (let depth = stack.length, at = state; ; at = stack[--depth] as number) {
    const action = table[TABLE_ROWS + at * classes + own] as number;
    if (action === TABLE_DEAD) return undefined;
    if (action !== TABLE_POP || depth === 0) return { action, depth };
  }
}
