import type { ShortConvolutionOp } from '../../graph/ops/short-convolution.ts';
import { stateName } from '../../graph/state.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { shortConvolutionKernel, shortConvolutionWorkgroups } from '../kernels/short-convolution/short-convolution.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

const INVOCATIONS = 64;

export const shortConvolutionRules: GpuOpRules<ShortConvolutionOp> = {
  describe: ({ weight, bias, state }) => `${weight.id}${bias === undefined ? '' : ` + ${bias.id}`} state=${stateName(state)}`,
  vectors: ({ weight, bias }) => [
    { key: weight.id, parts: [{ weight, length: elementsOf(weight.shape) }] },
    bias && { key: bias.id, parts: [{ weight: bias, length: bias.shape[0] as number }] },
  ],
  uses(step) {
    const { weight, bias, state } = step.op;
    const [channels, width] = weight.shape as [number, number];
    const variant = { channels, width, bias: bias !== undefined, invocations: INVOCATIONS };
    return rowUse(step, {
      kernel: shortConvolutionKernel(variant),
      buffers: {
        x: floatsRef(step.inputs[0] as GpuValue),
        weight: vectorRef(weight.id),
        ...(bias === undefined ? {} : { bias: vectorRef(bias.id) }),
        state: { kind: 'state', state: state.index },
        rowSequence: { kind: 'sequences', name: 'rowSequence' },
        slots: { kind: 'sequences', name: 'slots' },
      },
      workgroups: (rows) => shortConvolutionWorkgroups(variant, rows),
      weightBytes: () => channels * width * 4,
      work: width,
    });
  },
};

export const lowerShortConvolution: Lower<ShortConvolutionOp, ShortConvolutionOp> = ({ op }) => ({ op });
