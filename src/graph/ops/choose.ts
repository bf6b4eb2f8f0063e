/** One index of each row, by its logits: what a graph goes on with where no host is asked between its steps. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { formatShape } from '../value.ts';
import type { Value } from '../value.ts';

/**
 * y[r] is an index of row r. Inputs: logits [rows, n]; settings [rows, 3 * m], of each row m times a temperature, k of top-k and a random
 * number from 0 on and below 1, of which the `nth` count;
 * and, where `end` is given, earlier choices [rows], i32, of which one that is `end` makes y[r] that too. Output [rows],
 * i32.
 *
 * Temperature 0: the index of the greatest logit, of equal ones the first. Else logits below the k-th greatest are left out (equal ones
 * stay; k 0 leaves none out), and the first index is taken up to which the softmax of the others over the temperature adds up to more than
 * the random number. NaN counts as the least of numbers.
 */
export interface ChooseOp {
  readonly kind: 'choose';
  readonly end: number | undefined;
  readonly nth: number;
}

/** Numbers of a choice's settings. */
export const CHOICE_SETTINGS = 3;

export interface ChooseFields {
  /** [rows, 3 * m]. */
  readonly settings: Value;
  /** Default 0. */
  readonly nth?: number | undefined;
  /** An earlier choice of each row [rows], i32, after which the rest is `end` too. Absent: there is none. */
  readonly after?: { readonly choice: Value; readonly end: number } | undefined;
}

export function choose(g: OpSink<ChooseOp>, name: string, logits: Value, { settings, nth = 0, after }: ChooseFields): Value {
  const before = after === undefined ? [] : [after.choice];
  return g.op(name, { kind: 'choose', end: after?.end, nth }, [logits, settings, ...before]);
}

/** The op's fields as plans and graphs show them. */
export function describeChoice({ end, nth }: ChooseOp): string {
  return [...(end === undefined ? [] : [`end=${end}`]), ...(nth === 0 ? [] : [`nth=${nth}`])].join(' ');
}

export const chooseRules: OpRules<ChooseOp> = {
  weights: () => [],
  dtype: 'i32',
  shape({ end, nth }, [logits, settings, before], check) {
    const { outer, width } = check.rowsOf(logits);
    const { outer: rows, width: numbers } = check.rowsOf(settings);
    if (rows !== outer || numbers % CHOICE_SETTINGS !== 0 || nth >= numbers / CHOICE_SETTINGS)
      check.fail(`settings [${outer}, ${CHOICE_SETTINGS} times more than ${nth}]`, formatShape((settings as Value).shape));
    if (end === undefined) return [outer];
    if (before?.dtype !== 'i32') check.fail('earlier choices of type i32', `${before?.dtype} ${formatShape(before?.shape ?? [])}`);
    check.shape('earlier choices', (before as Value).shape, [outer]);
    if (!(Number.isInteger(end) && end >= 0 && end < width)) check.fail(`an end below ${width}`, String(end));
    return [outer];
  },
  print: describeChoice,
};
