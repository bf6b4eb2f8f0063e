import { relativeAttentionRules as graphRules } from '../../graph/ops/relative-attention.ts';
import type { RelativeAttentionOp } from '../../graph/ops/relative-attention.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { fullAttentionKernel, fullAttentionWorkgroups } from '../kernels/full-attention/full-attention.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts } from '../plan/kernel-use.ts';
import { floatsRef, outputRefs, sizeOfValue, vectorRef } from '../plan/value-refs.ts';

const INVOCATIONS = 64;

export const relativeAttentionRules: GpuOpRules<RelativeAttentionOp> = {
  describe: (op) => `${op.contentBias.id} ${op.positionBias.id} ${graphRules.print?.(op)}`,
  vectors: ({ contentBias, positionBias }) =>
    [contentBias, positionBias].map((weight) => ({ key: weight.id, parts: [{ weight, length: elementsOf(weight.shape) }] })),
  uses(step) {
    const { heads, headDim, scale, contentBias, positionBias } = step.op;
    const [q, k, v, p] = step.inputs as readonly [GpuValue, GpuValue, GpuValue, GpuValue];
    const sizes = { heads, kvHeads: heads, keyDim: headDim, valueDim: headDim };
    const variant = { ...sizes, scale, invocations: INVOCATIONS, byDistance: true };
    const rows = (counts: GridCounts) => rowsOfValue(q, counts.sizes);
    const size: BufferRef = { kind: 'size', dim: outerOf(q) };
    return [{
      kernel: fullAttentionKernel(variant),
      buffers: {
        q: floatsRef(q), k: floatsRef(k), v: floatsRef(v), p: floatsRef(p), contentBias: vectorRef(contentBias.id),
        positionBias: vectorRef(positionBias.id), ...outputRefs(step.outputs), step: size, keys: size,
      },
      workgroups: (counts) => fullAttentionWorkgroups(variant, rows(counts)),
      cost: (counts) => ({
        bytes: [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0),
        multiplyAdds: 3 * rows(counts) ** 2 * heads * headDim,
      }),
    }];
  },
};

export const lowerRelativeAttention: Lower<RelativeAttentionOp, RelativeAttentionOp> = ({ op }) => ({ op });
