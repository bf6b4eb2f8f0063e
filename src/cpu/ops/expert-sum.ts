import type { ExpertSumOp } from '../../graph/ops/expert-sum.ts';
import { usedExperts } from '../../graph/ops/route.ts';
import { writeRows } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const expertSumRules: CpuOpRules<ExpertSumOp> = {
  code: 23,
  describe: () => '',
  write: (out, step, at) => writeRows(out, step, at, usedExperts(step.inputs[1] as CpuValue)),
};

export const lowerExpertSum: Lower<ExpertSumOp, ExpertSumOp> = ({ op }) => ({ op });
