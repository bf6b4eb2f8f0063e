import type { ScaleOp } from '../../graph/ops/scale.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { writeNumber } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

export const scaleRules: CpuOpRules<ScaleOp> = {
  code: 16,
  describe: ({ by }, typeOf) => `by=${typeof by === 'number' ? by : shownWeight(by, typeOf)}`,
  write: (out, step, at) => writeNumber(out, step, at, step.op.by),
};

export const lowerScale: Lower<ScaleOp, ScaleOp> = ({ op }) => ({ op });
