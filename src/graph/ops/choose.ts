/** One index of each row, by its logits: what a graph goes on with where no host is asked between its steps. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { formatShape } from '../value.ts';
import type { Value } from '../value.ts';

/**
 * y[r] is an index of row r. Inputs: logits [rows, n]; settings [rows, 3], of each row a temperature, k of top-k and a random number from
 * 0 on and below 1; and, where `end` is given, earlier choices [rows], i32, of which one that is `end` makes y[r] that too. Output [rows],
 * i32.
 *
 * Temperature 0: the index of the greatest logit, of equal ones the first. Else logits below the k-th greatest are left out (equal ones
 * stay; k 0 leaves none out), and the first index is taken up to which the softmax of the others over the temperature adds up to more than
 * the random number. NaN counts as the least of numbers.
 */
export interface ChooseOp {
  readonly kind: 'choose';
  readonly end: number | undefined;
}

/** Numbers of a row's settings. */
export const CHOICE_SETTINGS = 3;

export interface ChooseFields {
  /** [rows, 3]. */
  readonly settings: Value;
  /** An earlier choice of each row [rows], i32, after which the rest is `end` too. Absent: there is none. */
  readonly after?: { readonly choice: Value; readonly end: number } | undefined;
}

export function choose(g: OpSink<ChooseOp>, name: string, logits: Value, { settings, after }: ChooseFields): Value {
  const before = after === undefined ? [] : [after.choice];
  return g.op(name, { kind: 'choose', end: after?.end }, [logits, settings, ...before]);
}

export const chooseRules: OpRules<ChooseOp> = {
  weights: () => [],
  dtype: 'i32',
  shape({ end }, [logits, settings, before], check) {
    const { outer, width } = check.rowsOf(logits);
    check.shape('settings', (settings as Value).shape, [outer, CHOICE_SETTINGS]);
    if (end === undefined) return [outer];
    if (before?.dtype !== 'i32') check.fail('earlier choices of type i32', `${before?.dtype} ${formatShape(before?.shape ?? [])}`);
    check.shape('earlier choices', (before as Value).shape, [outer]);
    if (!(Number.isInteger(end) && end >= 0 && end < width)) check.fail(`an end below ${width}`, String(end));
    return [outer];
  },
  print: ({ end }) => (end === undefined ? '' : `end=${end}`),
};
