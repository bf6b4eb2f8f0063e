import type { ActivationName, ActivationOp } from '../../graph/ops/activation.ts';
import type { RunOp } from '../op-run.ts';

/** The functions in float64. */
export const ACTIVATION_FUNCTIONS: Readonly<Record<ActivationName, (x: number) => number>> = {
  /** x * sigmoid(x). */
  silu: (x) => x / (1 + Math.exp(-x)),
  /** x / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 x^3) (Hendrycks and Gimpel 2016), which is x * sigmoid(2u). */
  geluTanh: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

export const runActivation: RunOp<ActivationOp> = ({ fn }, [x, up], run) => {
  const y = run.floats(x).map(ACTIVATION_FUNCTIONS[fn]);
  if (up === undefined) return y;
  const factors = run.floats(up);
  return y.map((value, i) => value * factors[i]!);
};
