import type { ScaleOp } from '../../graph/ops/scale.ts';
import type { RunOp } from '../op-run.ts';

export const runScale: RunOp<ScaleOp> = ({ by }, [x], run) => {
  const factor = typeof by === 'number' ? by : run.decoded(by.id)[0]!;
  return run.floats(x).map((value) => value * factor);
};
