import type { GatherRowsOp } from '../../graph/ops/gather-rows.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { writeRows } from '../cpu-op-rules.ts';

export interface GatherStepOp {
  readonly kind: 'gather';
}

export const gatherRules: CpuOpRules<GatherStepOp> = { code: 4, describe: () => '', write: writeRows };

export const lowerGatherRows: Lower<GatherRowsOp, GatherStepOp> = () => ({ op: { kind: 'gather' } });
