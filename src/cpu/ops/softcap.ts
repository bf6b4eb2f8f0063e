import type { SoftcapOp } from '../../graph/ops/softcap.ts';
import { writeNumber } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

export const softcapRules: CpuOpRules<SoftcapOp> = {
  code: 17,
  describe: ({ cap }) => `cap=${cap}`,
  write: (out, step, at) => writeNumber(out, step, at, step.op.cap),
};

export const lowerSoftcap: Lower<SoftcapOp, SoftcapOp> = ({ op }) => ({ op });
