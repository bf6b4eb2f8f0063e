import type { ScaleRowsOp } from '../../graph/ops/scale-rows.ts';
import { writeRows } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

export const scaleRowsRules: CpuOpRules<ScaleRowsOp> = { code: 24, describe: () => '', write: writeRows };

export const lowerScaleRows: Lower<ScaleRowsOp, ScaleRowsOp> = ({ op }) => ({ op });
