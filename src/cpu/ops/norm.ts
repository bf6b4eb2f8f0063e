import type { LayerNormOp } from '../../graph/ops/layer-norm.ts';
import type { RmsNormOp } from '../../graph/ops/rms-norm.ts';
import { widthOf } from '../../graph/value.ts';
import type { WeightRef } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

/** A gain with its type, or what stands for one. */
export function shownGain(weight: WeightRef | undefined, typeOf: TypeOf): string {
  return weight === undefined ? '1' : shownWeight(weight, typeOf);
}

/** Outputs: floats, q8, or both, told apart by dtype. */
export interface NormStepOp {
  readonly kind: 'norm';
  /** Undefined: a gain of 1. */
  readonly weight: WeightRef | undefined;
  /** Layer norms take the mean away, and may add a bias; root mean square norms do neither. */
  readonly centred: boolean;
  readonly bias: WeightRef | undefined;
  readonly eps: number;
  readonly groups: number;
  /** Takes row inputs[1][i] for row i. */
  readonly gather: boolean;
  /** Adds inputs[1] to the result. Not together with `gather`. */
  readonly residual: boolean;
}

export const normRules: CpuOpRules<NormStepOp> = {
  code: 2,
  describe({ weight, centred, bias, eps, groups, gather, residual }, typeOf) {
    const gain = `${centred ? 'layer ' : ''}${shownGain(weight, typeOf)}${bias === undefined ? '' : ' +bias'}`;
    return `${gain} eps=${eps}${groups > 1 ? ` groups=${groups}` : ''}${gather ? ' gather' : ''}${residual ? ' +residual' : ''}`;
  },
  write(out, { op, inputs, outputs }, at) {
    const { gather, residual, weight, centred, bias, eps, groups } = op;
    out.ints(gather ? at.rowsOf(inputs[1] as CpuValue).address : 0, ...rowsAt(at, inputs[0]), vectorAt(at, weight));
    out.float(eps);
    out.ints(centred ? 1 : 0, vectorAt(at, bias), groups, widthOf(inputs[0] as CpuValue) / groups);
    out.ints(...rowsAt(at, outputs.find(({ dtype }) => dtype === 'f32')));
    out.ints(...rowsAt(at, outputs.find(({ dtype }) => dtype === 'q8')), ...rowsAt(at, residual ? inputs[1] : undefined));
  },
};

export const lowerRmsNorm: Lower<RmsNormOp, NormStepOp> = ({ op: { weight, eps, groups } }) => ({
  op: { kind: 'norm', weight, centred: false, bias: undefined, eps, groups, gather: false, residual: false },
});

export const lowerLayerNorm: Lower<LayerNormOp, NormStepOp> = ({ op: { weight, bias, eps } }) => ({
  op: { kind: 'norm', weight, centred: true, bias, eps, groups: 1, gather: false, residual: false },
});
