import type { WriteMemoryOp } from '../../graph/ops/write-memory.ts';
import { stateName } from '../../graph/state.ts';
import type { PagedState } from '../../graph/state.ts';
import type { KvLayout } from '../../graph/executor.ts';
import { cacheTypes } from '../attention-shape.ts';
import type { AttentionShape } from '../attention-shape.ts';
import { kvWriteKernel, kvWriteWorkgroups } from '../kernels/kv-write/kv-write.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { StepCounts } from '../plan/kernel-use.ts';
import { floatsRef, sizeOfValue } from '../plan/value-refs.ts';

const INVOCATIONS = 64;

/** A memory as the kernels of attention see it: heads come as they are to be used. */
export function memoryShape({ heads: kvHeads, keyDim, valueDim }: PagedState, kv: KvLayout): AttentionShape {
  const { pageTokens, maxPages } = kv;
  const asIs = { rotaryDim: 0 };
  return {
    heads: kvHeads, kvHeads, keyDim, valueDim, scale: 1, ...cacheTypes(kv), pageTokens, maxPages, input: 'separate', q: asIs, k: asIs,
    output: 'f32',
  };
}

export const writeMemoryRules: GpuOpRules<WriteMemoryOp> = {
  describe: ({ state }) => `state=${stateName(state)}`,
  uses({ op: { state }, inputs }, _, { kv }) {
    const [k, v, positions] = inputs as readonly [GpuValue, GpuValue, GpuValue];
    const variant = { shape: memoryShape(state, kv), invocations: INVOCATIONS };
    return [{
      kernel: kvWriteKernel(variant),
      buffers: {
        k: floatsRef(k), v: floatsRef(v), positions: floatsRef(positions),
        rowSequence: { kind: 'sequences', name: 'rowSequence' },
        pageTable: { kind: 'pageTable', group: state.group },
        kv: { kind: 'state', state: state.index },
        step: { kind: 'size', dim: outerOf(k) },
      },
      workgroups: ({ sizes }: StepCounts) => kvWriteWorkgroups(variant, rowsOfValue(k, sizes)),
      cost: (counts) => ({ bytes: 2 * (sizeOfValue(k, counts) + sizeOfValue(v, counts)), multiplyAdds: 0 }),
    }];
  },
};

export const lowerWriteMemory: Lower<WriteMemoryOp, WriteMemoryOp> = ({ op }) => ({ op });
