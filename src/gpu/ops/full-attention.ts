import type { FullAttentionOp } from '../../graph/ops/full-attention.ts';
import { fullAttentionKernel, fullAttentionWorkgroups } from '../kernels/full-attention/full-attention.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts } from '../plan/kernel-use.ts';
import { floatsRef, outputRefs, sizeOfValue } from '../plan/value-refs.ts';

const INVOCATIONS = 64;

export const fullAttentionRules: GpuOpRules<FullAttentionOp> = {
  describe: ({ heads, kvHeads, keyDim, valueDim }) => `heads=${heads} kvHeads=${kvHeads} keyDim=${keyDim} valueDim=${valueDim}`,
  uses(step) {
    const { kind: _, ...shape } = step.op;
    const [q, k, v] = step.inputs as readonly [GpuValue, GpuValue, GpuValue];
    const variant = { ...shape, invocations: INVOCATIONS };
    const rowsOf = (value: GpuValue) => ({ sizes }: GridCounts) => rowsOfValue(value, sizes);
    const [rows, keys] = [rowsOf(q), rowsOf(k)];
    const sizeOf = (value: GpuValue): BufferRef => ({ kind: 'size', dim: outerOf(value) });
    return [{
      kernel: fullAttentionKernel(variant),
      buffers: { q: floatsRef(q), k: floatsRef(k), v: floatsRef(v), ...outputRefs(step.outputs), step: sizeOf(q), keys: sizeOf(k) },
      workgroups: (counts) => fullAttentionWorkgroups(variant, rows(counts)),
      cost: (counts) => ({
        bytes: [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0),
        multiplyAdds: rows(counts) * keys(counts) * shape.heads * (shape.keyDim + shape.valueDim),
      }),
    }];
  },
};

export const lowerFullAttention: Lower<FullAttentionOp, FullAttentionOp> = ({ op }) => ({ op });
