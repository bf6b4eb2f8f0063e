import type { ActivationName, ActivationOp, GateClamp } from '../../graph/ops/activation.ts';
import type { RunOp } from '../op-run.ts';

/** The functions in float64. */
export const ACTIVATION_FUNCTIONS: Readonly<Record<ActivationName, (x: number) => number>> = {
  /** x * sigmoid(x). */
  silu: (x) => x / (1 + Math.exp(-x)),
  /** x / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 x^3) (Hendrycks and Gimpel 2016), which is x * sigmoid(2u). */
  geluTanh: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  /** x / 2 * (1 + erf(x / sqrt(2))) (Hendrycks and Gimpel 2016). */
  gelu: (x) => (x / 2) * erfc(-x / Math.SQRT2),
  identity: (x) => x,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  /** x * sigmoid(1.702 x) (Hendrycks and Gimpel 2016). */
  quickGelu: (x) => x / (1 + Math.exp(-1.702 * x)),
  tanh: Math.tanh,
  relu: (x) => (x < 0 ? 0 : x),
  leakyFifth: (x) => (x < 0 ? x / 5 : x),
  leakyTenth: (x) => (x < 0 ? x / 10 : x),
  leakyHundredth: (x) => (x < 0 ? x / 100 : x),
};

/** 1 - erf(x) to float64's precision: erf's power series near 0, erfc's continued fraction beyond (Abramowitz and Stegun 7.1.6, 7.1.14). */
function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x > 27) return 0;
  if (x > 2.5) {
    let fraction = x;
    for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction;
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
  }
  let [term, sum] = [x, x];
  for (let n = 1; n < 80; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** f(gate) * up, within the bounds where there are some. NaN stays NaN. */
export function gateOf(fn: ActivationName, clamp: GateClamp | undefined, gate: number, up: number): number {
  const f = ACTIVATION_FUNCTIONS[fn];
  if (clamp === undefined) return f(gate) * up;
  const { limit, offset } = clamp;
  return f(Math.min(gate, limit)) * (Math.min(Math.max(up, -limit), limit) + offset);
}

export const runActivation: RunOp<ActivationOp> = ({ fn, clamp }, [x, up], run) => {
  if (up === undefined) return run.floats(x).map(ACTIVATION_FUNCTIONS[fn]);
  const factors = run.floats(up);
  return run.floats(x).map((value, i) => gateOf(fn, clamp, value, factors[i]!));
};
