/** Functions of values or vectors of them, by the names that graph/ops/activation.ts gives them. */
import { CapacityError } from '../../tensor/errors.ts';
import type { ActivationName } from '../../graph/ops/activation.ts';

type FloatType = 'f32' | 'vec4<f32>';

/** What each function returns, as an expression of x. */
const EXPRESSIONS: Readonly<Record<ActivationName, (type: FloatType) => string>> = {
  // Elfwing et al. 2017. exp's argument is held where its result is finite, since hardware may do anything past that; silu is nothing
  // beside any other value there already.
  silu: (type) => `x / (1.0 + exp(min(-x, ${type}(80.0))))`,
  gelu() {
    throw new CapacityError('The GPU has no kernel for gelu.');
  },
  // Hendrycks and Gimpel 2016, the tanh form as a sigmoid: x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)). x is held in the exponent alone.
  geluTanh(type) {
    const held = `clamp(x, ${type}(-10.0), ${type}(10.0))`;
    const exponent = `${held} * (1.595769122 + 0.07135481627 * ${held} * ${held})`;
    return `x / (1.0 + exp(min(-(${exponent}), ${type}(80.0))))`;
  },
};

/** WGSL of a function of the activation's own name. */
export function activationFunction(name: ActivationName, type: FloatType = 'f32'): string {
  return `fn ${name}(x: ${type}) -> ${type} { return ${EXPRESSIONS[name](type)}; }`;
}
