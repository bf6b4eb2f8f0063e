import type { FullAttentionOp } from '../../graph/ops/full-attention.ts';
import type { AttentionShape } from '../attention-shape.ts';
import { attentionMatrixKernel, denseAttentionWorkgroups } from '../kernels/attention-matrix/attention-matrix.ts';
import { attentionMatrixVariant } from '../kernels/attention-matrix/attention-matrix-variant.ts';
import type { AttentionMatrixVariant } from '../kernels/attention-matrix/attention-matrix-variant.ts';
import { matrixKeysBytes, matrixKeysKernel, matrixKeysWorkgroups } from '../kernels/attention-matrix/matrix-keys.ts';
import { fullAttentionKernel, fullAttentionWorkgroups } from '../kernels/full-attention/full-attention.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts, KernelUse } from '../plan/kernel-use.ts';
import { floatsRef, outputRefs, sizeOfValue } from '../plan/value-refs.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';

const INVOCATIONS = 64;
const HALVES: BufferRef = { kind: 'halves' };

/** The tile on matrix units; undefined where the device has none, or the heads do not suit them. */
function matrixVariant(
  { heads, kvHeads, keyDim, valueDim, scale }: FullAttentionOp, { subgroupMatrix: matrix, invocations, workgroupBytes }: DeviceProfile,
): AttentionMatrixVariant | undefined {
  if (matrix === undefined || keyDim % 4 !== 0 || valueDim % 4 !== 0) return undefined;
  const shape: AttentionShape = {
    heads, kvHeads, keyDim, valueDim, scale, kv: matrix.input, dense: true, pageTokens: 0, maxPages: 0, input: 'separate',
    q: { rotaryDim: 0 }, k: { rotaryDim: 0 }, output: 'f32', causal: false,
  };
  return attentionMatrixVariant(shape, { matrix, invocations, workgroupBytes });
}

export const fullAttentionRules: GpuOpRules<FullAttentionOp> = {
  describe: ({ heads, kvHeads, keyDim, valueDim }) => `heads=${heads} kvHeads=${kvHeads} keyDim=${keyDim} valueDim=${valueDim}`,
  uses(step, _, { profile }) {
    const { kind: __, ...shape } = step.op;
    const [q, k, v] = step.inputs as readonly [GpuValue, GpuValue, GpuValue];
    const onMatrices = matrixVariant(step.op, profile);
    const variant = { ...shape, invocations: INVOCATIONS };
    const rowsOf = (value: GpuValue) => ({ sizes }: GridCounts) => rowsOfValue(value, sizes);
    const [rows, keys] = [rowsOf(q), rowsOf(k)];
    const attend: Pick<KernelUse, 'buffers' | 'cost'> = {
      buffers: { q: floatsRef(q), ...outputRefs(step.outputs), step: sizeOf(q), keys: sizeOf(k) },
      cost: (counts) => ({
        bytes: [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0),
        multiplyAdds: rows(counts) * keys(counts) * shape.heads * (shape.keyDim + shape.valueDim),
      }),
    };
    if (onMatrices !== undefined) return [
      keysUse(step, onMatrices.shape),
      {
        ...attend, kernel: attentionMatrixKernel(onMatrices), buffers: { ...attend.buffers, kv: HALVES },
        workgroups: (counts) => denseAttentionWorkgroups(onMatrices, rows(counts)),
      },
    ];
    return [{
      ...attend, kernel: fullAttentionKernel(variant), buffers: { ...attend.buffers, k: floatsRef(k), v: floatsRef(v) },
      workgroups: (counts) => fullAttentionWorkgroups(variant, rows(counts)),
    }];
  },
};

const sizeOf = (value: GpuValue): BufferRef => ({ kind: 'size', dim: outerOf(value) });

/** Keys and values as matrices read them. */
function keysUse({ inputs }: GpuStepOf<FullAttentionOp>, shape: AttentionShape): KernelUse {
  const [, k, v] = inputs as readonly [GpuValue, GpuValue, GpuValue];
  const keysOf = ({ sizes }: GridCounts) => rowsOfValue(k, sizes);
  return {
    kernel: matrixKeysKernel(shape), buffers: { k: floatsRef(k), v: floatsRef(v), kv: HALVES, step: sizeOf(k) },
    workgroups: (counts) => matrixKeysWorkgroups(shape, keysOf(counts)),
    halvesBytes: (counts) => matrixKeysBytes(shape, keysOf(counts)),
    cost: (counts) => ({
      bytes: sizeOfValue(k, counts) + sizeOfValue(v, counts) + matrixKeysBytes(shape, keysOf(counts)), multiplyAdds: 0,
    }),
  };
}

export const lowerFullAttention: Lower<FullAttentionOp, FullAttentionOp> = ({ op }) => ({ op });
