import type { RmsNormOp } from '../../graph/ops/rms-norm.ts';
import { widthOf } from '../../graph/value.ts';
import type { WeightRef } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

/** Outputs: floats, q8, or both, told apart by dtype. */
export interface NormStepOp {
  readonly kind: 'norm';
  readonly weight: WeightRef;
  readonly eps: number;
  readonly groups: number;
  /** Takes row inputs[1][i] for row i. */
  readonly gather: boolean;
}

export const normRules: CpuOpRules<NormStepOp> = {
  code: 2,
  describe: ({ weight, eps, groups, gather }, typeOf) =>
    `${shownWeight(weight, typeOf)} eps=${eps}${groups > 1 ? ` groups=${groups}` : ''}${gather ? ' gather' : ''}`,
  write(out, { op, inputs, outputs }, at) {
    const { gather, weight, eps, groups } = op;
    out.ints(gather ? at.rowsOf(inputs[1] as CpuValue).address : 0, ...rowsAt(at, inputs[0]), at.vector(weight.id));
    out.float(eps);
    out.ints(groups, widthOf(inputs[0] as CpuValue) / groups);
    out.ints(...rowsAt(at, outputs.find(({ dtype }) => dtype === 'f32')));
    out.ints(...rowsAt(at, outputs.find(({ dtype }) => dtype === 'q8')));
  },
};

function gainOf({ weight }: RmsNormOp): WeightRef {
  if (weight === undefined) throw new CapacityError('The CPU has no kernels for a norm without gains.');
  return weight;
}

export const lowerRmsNorm: Lower<RmsNormOp, NormStepOp> = ({ op }) => ({
  op: { kind: 'norm', weight: gainOf(op), eps: op.eps, groups: op.groups, gather: false },
});
