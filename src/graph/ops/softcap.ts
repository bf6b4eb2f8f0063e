/** A bound that values come near and do not pass. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** y = cap * tanh(x / cap) (Bello et al. 2016, logits of Gemma 2). Input x [rows, n]. */
export interface SoftcapOp {
  readonly kind: 'softcap';
  readonly cap: number;
}

export function softcap(g: OpSink<SoftcapOp>, name: string, x: Value, cap: number): Value {
  return g.op(name, { kind: 'softcap', cap }, [x]);
}

export const softcapRules: OpRules<SoftcapOp> = {
  weights: () => [],
  shape({ cap }, [x], check) {
    const { outer, width } = check.rowsOf(x);
    if (!(cap > 0)) check.fail('a cap above 0', String(cap));
    return [outer, width];
  },
  print: ({ cap }) => `cap=${cap}`,
};
