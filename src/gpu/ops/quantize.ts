/** The executor's own op: floats to int8 codes with scales, for products with quantised weights. */
import { widthOf } from '../../graph/value.ts';
import { quantizeKernel, quantizeWorkgroups } from '../kernels/quantize/quantize.ts';
import { describeRounding } from '../plan/gpu-op-rules.ts';
import type { Cut, CutContext, GpuOpRules, Rounding } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Inputs: x, then the indices of a gather. Output: q8, or q8n with a norm. */
export interface QuantizeOp extends Rounding {
  readonly kind: 'quantize';
  readonly gather: boolean;
}

/** A step whose rounded result is a step of its own; `op` is the step's without rounding. */
export function roundingCut<Op extends { readonly kind: string }>(
  step: GpuStepOf<Op>,
  { op, norm, fresh }: { readonly op: Op; readonly norm: Rounding['norm'] } & Pick<CutContext, 'fresh'>,
): readonly Cut[] {
  const codes = step.outputs.find(({ dtype }) => dtype !== 'f32');
  if (codes === undefined) return [];
  const floats = step.outputs.find(({ dtype }) => dtype === 'f32') ?? fresh(codes.shape, step.label);
  const quantize: QuantizeOp = { kind: 'quantize', norm, gather: false };
  const rounded = { op: quantize, inputs: [floats], outputs: [codes], label: codes.label };
  return [{ replaced: [step], by: [{ ...step, op, outputs: [floats] }, rounded] }];
}

export const quantizeRules: GpuOpRules<QuantizeOp> = {
  describe: (op) => `${describeRounding(op).trim()}${op.gather ? ' gather' : ''}`,
  vectors: ({ norm }) => [norm && gainOf(norm)],
  uses(step, _, { single }) {
    const [x, indices] = step.inputs as readonly [GpuValue, GpuValue | undefined];
    const { norm, gather } = step.op;
    const variant = { width: widthOf(x), norm: norm && { eps: norm.eps }, gather, single };
    const buffers = {
      x: floatsRef(x),
      ...(gather ? { outIndices: floatsRef(indices as GpuValue) } : {}),
      ...(norm ? { yGain: vectorRef(norm.weight.id) } : {}),
    };
    return rowUse(step, { kernel: quantizeKernel(variant), buffers, workgroups: (rows) => quantizeWorkgroups(variant, rows), work: 1 });
  },
};
