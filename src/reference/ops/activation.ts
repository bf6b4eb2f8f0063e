import type { ActivationName, ActivationOp } from '../../graph/ops/activation.ts';
import type { RunOp } from '../op-run.ts';

/** The functions in float64. */
export const ACTIVATION_FUNCTIONS: Readonly<Record<ActivationName, (x: number) => number>> = {
  /** x * sigmoid(x). */
  silu: (x) => x / (1 + Math.exp(-x)),
};

export const runActivation: RunOp<ActivationOp> = ({ fn }, [x, up], run) => {
  const y = run.floats(x).map(ACTIVATION_FUNCTIONS[fn]);
  if (up === undefined) return y;
  const factors = run.floats(up);
  return y.map((value, i) => value * factors[i]!);
};
