/** The executor's own op: norms of q and k over their whole rows, in the product that holds q, k and v. */
import { normPartsKernel, normPartsWorkgroups } from '../kernels/norm-parts/norm-parts.ts';
import type { GpuOpRules, NormWeight } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import { gainOf, onesOf } from '../plan/planned-weights.ts';
import type { PlannedVector } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import type { NormOp } from './rms-norm.ts';
import { rowUse } from './row-use.ts';

export interface NormedPart {
  readonly width: number;
  /** Undefined: the part passes. */
  readonly norm: NormWeight | undefined;
}

/** Input and output: the parts side by side, f32. */
export interface NormPartsOp {
  readonly kind: 'normParts';
  readonly parts: readonly NormedPart[];
}

/** The gains of all parts, one after another; a part that passes has ones. */
function gainsOf({ parts }: NormPartsOp): PlannedVector {
  const gains = parts.map(({ width, norm }) => gainOf({ weight: norm?.weight ?? onesOf(width) }));
  return { key: gains.map(({ key }) => key).join('|'), parts: gains.flatMap((gain) => gain.parts) };
}

export const normPartsRules: GpuOpRules<NormPartsOp> = {
  describe: ({ parts }) => parts.map(({ width, norm }) => (norm ? `${norm.weight.id} eps=${norm.eps}` : `${width}`)).join(' | '),
  vectors: (op) => [gainsOf(op)],
  uses(step, _, { single }) {
    const [x] = step.inputs as readonly [GpuValue];
    const variant = { parts: step.op.parts.map(({ width, norm }) => ({ width, norm: norm && { eps: norm.eps } })), single };
    return rowUse(step, {
      kernel: normPartsKernel(variant),
      buffers: { x: floatsRef(x), gain: vectorRef(gainsOf(step.op).key) },
      workgroups: (rows) => normPartsWorkgroups(variant, rows),
      work: 2,
    });
  },
};

/** The norms one by one, of values that have the parts one by one; and what holds the parts then. */
export function separateNorms(
  { parts }: NormPartsOp, values: readonly GpuValue[], fresh: (like: GpuValue, label: string) => GpuValue,
): { readonly steps: readonly GpuStepOf<NormOp>[]; readonly values: readonly GpuValue[] } {
  const steps: GpuStepOf<NormOp>[] = [];
  const normed = values.map((value, i) => {
    const norm = parts[i]?.norm;
    if (norm === undefined) return value;
    const made = fresh(value, `${value.label}.normed`);
    steps.push({ op: { kind: 'norm', ...norm, groups: 1, gather: false }, inputs: [value], outputs: [made], label: made.label });
    return made;
  });
  return { steps, values: normed };
}
