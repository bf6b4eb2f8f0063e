import type { ColumnsOp } from '../../graph/ops/columns.ts';
import { widthOf } from '../../graph/value.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { elementwiseUse } from './elementwise-use.ts';

export const columnsRules: GpuOpRules<ColumnsOp> = {
  describe: ({ start, width }) => `${start}..${start + width}`,
  uses(step, _, { single }) {
    const [x] = step.inputs as readonly [GpuValue];
    return elementwiseUse(step, { kind: 'columns', start: step.op.start, of: widthOf(x) }, { single });
  },
};

export const lowerColumns: Lower<ColumnsOp, ColumnsOp> = ({ op }) => ({ op });
