import type { SnakeOp } from '../../graph/ops/snake.ts';
import { widthOf } from '../../graph/value.ts';
import { snakeKernel, snakeWorkgroups } from '../kernels/snake/snake.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Multiply-adds of a sine, about. */
const SINE_WORK = 12;

export const snakeRules: GpuOpRules<SnakeOp> = {
  describe: ({ frequency }) => frequency.id,
  vectors: ({ frequency }) => [gainOf({ weight: frequency })],
  uses(step, _, { single }) {
    const [x] = step.inputs as readonly [GpuValue];
    const variant = { width: widthOf(x), single };
    const buffers = { x: floatsRef(x), frequency: vectorRef(step.op.frequency.id) };
    return rowUse(step, { kernel: snakeKernel(variant), buffers, workgroups: (rows) => snakeWorkgroups(variant, rows), work: SINE_WORK });
  },
};

export const lowerSnake: Lower<SnakeOp, SnakeOp> = ({ op }) => ({ op });
