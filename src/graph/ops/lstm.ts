/** The recurrence of a long short-term memory. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { SlotState } from '../state.ts';
import { formatShape } from '../value.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * For every row in turn, with h and c of the row before: a = gates + W h, cut into four parts i, f, g, o;
 * c' = sigmoid(f) c + sigmoid(i) tanh(g) and h' = sigmoid(o) tanh(c'). Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al.
 * 2000; parts in torch's order. What the input adds to the gates, biases among it, is a product before it.
 * Input gates [rows, 4 * hidden]. Weight [4 * hidden, hidden]. Output h [rows, hidden]. Without a state all rows are one sequence, which
 * begins with zeros.
 */
export interface LstmOp {
  readonly kind: 'lstm';
  readonly weight: WeightRef;
  /** [2, hidden]: h, then c. */
  readonly state: SlotState | undefined;
  /** From the last row to the first. */
  readonly reverse: boolean;
}

/** Without a state and forward where it is not said. */
export type LstmFields = Pick<LstmOp, 'weight'> & Partial<Pick<LstmOp, 'state' | 'reverse'>>;

export function lstm(g: OpSink<LstmOp>, name: string, gates: Value, { weight, state, reverse = false }: LstmFields): Value {
  return g.op(name, { kind: 'lstm', weight, state, reverse }, [gates]);
}

export const lstmRules: OpRules<LstmOp> = {
  weights: ({ weight }) => [weight],
  states: ({ state }) => (state === undefined ? [] : [state]),
  shape({ weight, state, reverse }, [gates], check) {
    const { outer, width } = check.rowsOf(gates);
    const hidden = width / 4;
    if (!Number.isInteger(hidden)) check.fail('gates of four equal parts', formatShape(gates?.shape ?? []));
    check.shape(`weight ${weight.id}`, weight.shape, [width, hidden]);
    if (state !== undefined) check.shape('state', state.shape, [2, hidden]);
    if (state !== undefined && reverse) check.fail('no state, since it runs backwards', stateName(state));
    return [outer, hidden];
  },
  print: ({ state, reverse }) => `${state === undefined ? '' : `state=${stateName(state)}`}${reverse ? ' reverse' : ''}`.trim(),
};
