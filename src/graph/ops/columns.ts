/** Some columns of a value. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** y[r] = x[r, start .. start + width). Input x [rows, n]. Output [rows, width]. */
export interface ColumnsOp {
  readonly kind: 'columns';
  readonly start: number;
  readonly width: number;
}

export function columns(g: OpSink<ColumnsOp>, name: string, x: Value, fields: Omit<ColumnsOp, 'kind'>): Value {
  return g.op(name, { kind: 'columns', ...fields }, [x]);
}

export const columnsRules: OpRules<ColumnsOp> = {
  weights: () => [],
  shape({ start, width: own }, [x], check) {
    const { outer, width } = check.rowsOf(x);
    if (!(start >= 0 && own >= 1 && start + own <= width)) check.fail(`columns within 0..${width}`, `${own} from ${start} on`);
    return [outer, own];
  },
  print: ({ start, width }) => `${start}..${start + width}`,
};
