/** The executor's own op: the norm behind a block, the sum with what went into it, and their factor. */
import { widthOf } from '../../graph/value.ts';
import type { WeightRef } from '../../graph/value.ts';
import { addNormKernel, addNormWorkgroups } from '../kernels/add-norm/add-norm.ts';
import type { AddNormVariant } from '../kernels/add-norm/add-norm.ts';
import { describeNorm, describeRounding } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, NormWeight, Rounding } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { gainOf } from '../plan/planned-weights.ts';
import type { PlannedVector } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** y = by * (residual + norm(x)). Inputs: x, residual. Outputs: f32, rounded, or both. */
export interface AddNormOp {
  readonly kind: 'addNorm';
  readonly norm: NormWeight;
  /** Equal parts of a row with a norm each. */
  readonly groups: number;
  readonly by: number | WeightRef | undefined;
  readonly rounding: Rounding | undefined;
}

/** What products that make a sum themselves share with the op. */
type Sum = Pick<AddNormOp, 'norm' | 'by' | 'rounding'> & Partial<Pick<AddNormOp, 'groups'>>;

/** What a sum is multiplied by, as its kernel sees it. */
export function factorOf({ by }: Pick<AddNormOp, 'by'>): AddNormVariant['by'] {
  return by === undefined || typeof by === 'number' ? by : 'factor';
}

export function describeSum({ norm, groups = 1, by, rounding }: Sum): string {
  const factor = by === undefined ? '' : ` by=${typeof by === 'number' ? by : by.id}`;
  return `${describeNorm('norm', norm).trim()}${groups > 1 ? ` groups=${groups}` : ''}${factor}${describeRounding(rounding)}`;
}

export function vectorsOfSum({ norm, by, rounding }: Sum): readonly (PlannedVector | undefined)[] {
  return [gainOf(norm), typeof by === 'object' ? gainOf({ weight: by }) : undefined, rounding?.norm && gainOf(rounding.norm)];
}

export const addNormRules: GpuOpRules<AddNormOp> = {
  describe: describeSum,
  vectors: vectorsOfSum,
  rounded: (op, rounding) => (op.groups === 1 ? { ...op, rounding } : undefined),
  cuts: (step, { fresh }) => roundingCut(step, { op: { ...step.op, rounding: undefined }, norm: step.op.rounding?.norm, fresh }),
  uses(step, _, { single }) {
    const { op, inputs, outputs: made } = step;
    const [x, residual] = inputs as readonly [GpuValue, GpuValue];
    const { norm, groups, rounding } = op;
    const q8 = rounding && { norm: rounding.norm && { eps: rounding.norm.eps } };
    const outputs = { f32: made.some(({ dtype }) => dtype === 'f32'), q8 };
    const variant = {
      width: widthOf(x) / groups, groups: groups === 1 ? undefined : groups, eps: norm.eps, by: factorOf(op), outputs, single,
    };
    const buffers: Record<string, BufferRef> = { x: floatsRef(x), residual: floatsRef(residual), gain: vectorRef(norm.weight.id) };
    if (typeof op.by === 'object') buffers['factor'] = vectorRef(op.by.id);
    if (rounding?.norm) buffers['yGain'] = vectorRef(rounding.norm.weight.id);
    return rowUse(step, { kernel: addNormKernel(variant), buffers, workgroups: (rows) => addNormWorkgroups(variant, rows), work: 3 });
  },
};
