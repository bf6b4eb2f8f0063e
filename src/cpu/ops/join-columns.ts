import type { JoinColumnsOp } from '../../graph/ops/join-columns.ts';
import { widthOf } from '../../graph/value.ts';
import { writeRows } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const joinColumnsRules: CpuOpRules<JoinColumnsOp> = {
  code: 36,
  describe: () => '',
  write: (out, step, at) => writeRows(out, step, at, widthOf(step.inputs[0] as CpuValue)),
};

export const lowerJoinColumns: Lower<JoinColumnsOp, JoinColumnsOp> = ({ op }) => ({ op });
