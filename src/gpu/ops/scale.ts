import type { ScaleOp } from '../../graph/ops/scale.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { vectorRef } from '../plan/value-refs.ts';
import { elementwiseUse } from './elementwise-use.ts';

export const scaleRules: GpuOpRules<ScaleOp> = {
  describe: ({ by }) => `by=${typeof by === 'number' ? by : by.id}`,
  vectors: ({ by }) => [typeof by === 'number' ? undefined : gainOf({ weight: by })],
  uses(step, _, { single }) {
    const { by } = step.op;
    if (typeof by === 'number') return elementwiseUse(step, { kind: 'scale', by }, { single });
    return elementwiseUse(step, { kind: 'scale', by: 'factor' }, { single, buffers: { factor: vectorRef(by.id) } });
  },
};

export const lowerScale: Lower<ScaleOp, ScaleOp> = ({ op }) => ({ op });
