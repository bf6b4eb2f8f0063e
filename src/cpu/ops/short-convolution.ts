import type { ShortConvolutionOp } from '../../graph/ops/short-convolution.ts';
import { stateName } from '../../graph/state.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

export const shortConvolutionRules: CpuOpRules<ShortConvolutionOp> = {
  code: 13,
  describe: ({ weight, bias, state }) => `${weight.id}${bias === undefined ? '' : ` + ${bias.id}`} state=${stateName(state)}`,
  write(out, { op: { weight, bias, state }, inputs, outputs }, at) {
    const [channels, width] = weight.shape as [number, number];
    const offset = at.pages.slotStates.get(state.index);
    if (offset === undefined) throw new Error(`CPU plan: a convolution uses state ${stateName(state)}, which the graph does not declare`);
    out.ints(channels, width, at.vector(weight.id), vectorAt(at, bias), offset);
    out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, outputs[0]));
  },
};

export const lowerShortConvolution: Lower<ShortConvolutionOp, ShortConvolutionOp> = ({ op }) => ({ op });
