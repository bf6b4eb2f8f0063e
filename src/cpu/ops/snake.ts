import type { SnakeOp } from '../../graph/ops/snake.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { writeNumber } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

export const snakeRules: CpuOpRules<SnakeOp> = {
  code: 33,
  describe: ({ frequency }, typeOf) => `by=${shownWeight(frequency, typeOf)}`,
  write: (out, step, at) => writeNumber(out, step, at, step.op.frequency),
};

export const lowerSnake: Lower<SnakeOp, SnakeOp> = ({ op }) => ({ op });
