import type { ColumnsOp } from '../../graph/ops/columns.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { writeRows } from '../cpu-op-rules.ts';

export const columnsRules: CpuOpRules<ColumnsOp> = {
  code: 18,
  describe: ({ start, width }) => `${start}..${start + width}`,
  write: (out, step, at) => writeRows(out, step, at, step.op.start),
};

export const lowerColumns: Lower<ColumnsOp, ColumnsOp> = ({ op }) => ({ op });
