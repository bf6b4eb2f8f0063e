import type { SnakeOp } from '../../graph/ops/snake.ts';
import type { RunOp } from '../op-run.ts';

export const runSnake: RunOp<SnakeOp> = ({ frequency }, [x], run) => {
  const frequencies = run.decoded(frequency.id);
  return run.floats(x).map((value, i) => {
    const a = frequencies[i % frequencies.length]!;
    return value + Math.sin(a * value) ** 2 / a;
  });
};
