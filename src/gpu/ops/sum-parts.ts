/** The executor's own op: the sum of the vectors that a block leaves. */
import { widthOf } from '../../graph/value.ts';
import { sumPartsKernel, sumPartsWorkgroups } from '../kernels/sum-parts/sum-parts.ts';
import type { GpuOpRules } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Inputs: parts [rows, n * width]. Output: f32 [rows, width]. */
export interface SumPartsOp {
  readonly kind: 'sumParts';
}

export const sumPartsRules: GpuOpRules<SumPartsOp> = {
  describe: () => '',
  uses(step, _, { single }) {
    const [parts] = step.inputs as readonly [GpuValue];
    const width = widthOf(step.outputs[0] as GpuValue);
    const variant = { parts: widthOf(parts) / width, width, single };
    return rowUse(step, {
      kernel: sumPartsKernel(variant), buffers: { parts: floatsRef(parts) },
      workgroups: (rows) => sumPartsWorkgroups(variant, rows), work: variant.parts,
    });
  },
};
