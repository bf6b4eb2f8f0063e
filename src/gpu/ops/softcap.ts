import type { SoftcapOp } from '../../graph/ops/softcap.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { elementwiseUse } from './elementwise-use.ts';

export const softcapRules: GpuOpRules<SoftcapOp> = {
  describe: ({ cap }) => `cap=${cap}`,
  uses: (step, _, { single }) => elementwiseUse(step, { kind: 'softcap', cap: step.op.cap }, { single }),
};

export const lowerSoftcap: Lower<SoftcapOp, SoftcapOp> = ({ op }) => ({ op });
