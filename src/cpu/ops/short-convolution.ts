import type { ActivationName } from '../../graph/ops/activation.ts';
import type { ShortConvolutionOp as GraphShortConvolutionOp } from '../../graph/ops/short-convolution.ts';
import { describeGates } from '../../graph/patterns.ts';
import type { ConvolutionGates } from '../../graph/patterns.ts';
import { stateName } from '../../graph/state.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { activationCode } from './activation.ts';

/** With gates the input holds all three parts of them. */
export interface ShortConvolutionOp extends GraphShortConvolutionOp {
  readonly gates: ConvolutionGates | undefined;
  /** Of the result; not together with gates. */
  readonly activation: ActivationName | undefined;
}

/** Bytes of a thread's scratch: weights and inputs of 64 channels (`assembly/short-convolution.ts`). */
export function convolutionScratchBytes({ weight }: GraphShortConvolutionOp): number {
  return 2 * (weight.shape[1] as number) * 64 * 4;
}

export const shortConvolutionRules: CpuOpRules<ShortConvolutionOp> = {
  code: 13,
  describe({ weight, bias, state, gates, activation }) {
    const gated = gates === undefined ? '' : ` ${describeGates(gates)}`;
    const activated = activation === undefined ? '' : ` ${activation}`;
    return `${weight.id}${bias === undefined ? '' : ` + ${bias.id}`} state=${stateName(state)}${gated}${activated}`;
  },
  write(out, { op: { weight, bias, state, gates, activation }, inputs, outputs }, at) {
    const [channels, width] = weight.shape as [number, number];
    const offset = at.pages.slotStates.get(state.index);
    if (offset === undefined) throw new Error(`CPU plan: a convolution uses state ${stateName(state)}, which the graph does not declare`);
    out.ints(channels, width, at.vector(weight.id), vectorAt(at, bias), offset);
    out.ints(gates === undefined ? 0 : 1, gates?.before ?? 0, gates?.inner ?? 0, gates?.after ?? 0);
    out.ints(activation === undefined ? -1 : activationCode(activation));
    out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, outputs[0]));
  },
};

export const lowerShortConvolution: Lower<GraphShortConvolutionOp, ShortConvolutionOp> = ({ op }) => ({
  op: { ...op, gates: undefined, activation: undefined },
});
