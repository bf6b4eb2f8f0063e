import type { ShortConvolutionOp as GraphShortConvolutionOp } from '../../graph/ops/short-convolution.ts';
import type { ActivationName } from '../../graph/ops/activation.ts';
import { describeGates } from '../../graph/patterns.ts';
import type { ConvolutionGates } from '../../graph/patterns.ts';
import { stateName } from '../../graph/state.ts';
import { widthOf } from '../../graph/value.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { gatedConvolutionKernel, gatedConvolutionWorkgroups } from '../kernels/short-convolution/gated-convolution.ts';
import { shortConvolutionKernel, shortConvolutionWorkgroups } from '../kernels/short-convolution/short-convolution.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** With gates the input holds all three parts of them. */
export interface ShortConvolutionOp extends GraphShortConvolutionOp {
  readonly gates: ConvolutionGates | undefined;
  /** Of the result; without gates, where the input's first columns are read. */
  readonly activation: ActivationName | undefined;
}

const INVOCATIONS = 64;
/** Fewer of those that make a block of 16 channels each, so that a row keeps several cores busy. */
const ROUNDING_INVOCATIONS = 32;

/** The kernel of a step, and how many workgroups it takes for so many rows. */
function kernelOf({ op, inputs, outputs }: GpuStepOf<ShortConvolutionOp>) {
  const [channels, width] = op.weight.shape as [number, number];
  const shape = { channels, width, bias: op.bias !== undefined };
  if (op.gates === undefined) {
    const all = widthOf(inputs[0] as GpuValue);
    const variant = { ...shape, of: all === channels ? undefined : all, activation: op.activation, invocations: INVOCATIONS };
    return { kernel: shortConvolutionKernel(variant), workgroups: (rows: number) => shortConvolutionWorkgroups(variant, rows) };
  }
  const output = outputs[0]?.dtype === 'f32' ? 'f32' : 'q8';
  const invocations = output === 'q8' ? ROUNDING_INVOCATIONS : INVOCATIONS;
  const variant = { ...shape, gates: op.gates, of: widthOf(inputs[0] as GpuValue), output, invocations } as const;
  return { kernel: gatedConvolutionKernel(variant), workgroups: (rows: number) => gatedConvolutionWorkgroups(variant, rows) };
}

export const shortConvolutionRules: GpuOpRules<ShortConvolutionOp> = {
  describe({ weight, bias, state, gates, activation }) {
    const gated = gates === undefined ? '' : ` ${describeGates(gates)}`;
    const activated = activation === undefined ? '' : ` ${activation}`;
    return `${weight.id}${bias === undefined ? '' : ` + ${bias.id}`} state=${stateName(state)}${gated}${activated}`;
  },
  vectors: ({ weight, bias }) => [
    { key: weight.id, parts: [{ weight, length: elementsOf(weight.shape) }] },
    bias && { key: bias.id, parts: [{ weight: bias, length: bias.shape[0] as number }] },
  ],
  rounded(op, rounding, [x]) {
    if (op.gates === undefined || rounding.norm !== undefined) return undefined;
    const counts = [op.weight.shape[0] as number, widthOf(x as GpuValue), ...Object.values(op.gates)];
    return counts.every((count) => count % 32 === 0) ? op : undefined;
  },
  cuts: (step, { fresh }) => roundingCut(step, { op: step.op, norm: undefined, fresh }),
  uses(step) {
    const { weight, bias, state, gates } = step.op;
    const [channels, width] = weight.shape as [number, number];
    const buffers: Record<string, BufferRef> = {
      x: floatsRef(step.inputs[0] as GpuValue),
      weight: vectorRef(weight.id),
      ...(bias === undefined ? {} : { bias: vectorRef(bias.id) }),
      state: { kind: 'state', state: state.index },
      rowSequence: { kind: 'sequences', name: 'rowSequence' },
      slots: { kind: 'sequences', name: 'slots' },
    };
    const work = width + (gates === undefined ? 0 : 2);
    return rowUse(step, { ...kernelOf(step), buffers, weightBytes: () => channels * width * 4, work });
  },
};

export const lowerShortConvolution: Lower<GraphShortConvolutionOp, ShortConvolutionOp> = ({ op }) => ({
  op: { ...op, gates: undefined, activation: undefined },
});
