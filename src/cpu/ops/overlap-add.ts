import { overlapAddRules as graphRules } from '../../graph/ops/overlap-add.ts';
import type { OverlapAddOp } from '../../graph/ops/overlap-add.ts';
import { widthOf } from '../../graph/value.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const overlapAddRules: CpuOpRules<OverlapAddOp> = {
  code: 30,
  describe: (op) => `${op.bias === undefined ? '' : `+${op.bias.id} `}${graphRules.print?.(op)}`,
  write(out, { op: { taps, stride, dilation, before, bias }, inputs: [x], outputs: [y] }, at) {
    const [rows] = (x as CpuValue).shape;
    out.ints(taps, stride, dilation, before, at.dim(rows as string), widthOf(y as CpuValue));
    out.ints(...rowsAt(at, x), ...rowsAt(at, y), vectorAt(at, bias));
  },
};

export const lowerOverlapAdd: Lower<OverlapAddOp, OverlapAddOp> = ({ op }) => ({ op });
