/** Functions of values or vectors of them, by the names that graph/ops/activation.ts gives them. */
import type { ActivationName, GateClamp } from '../../graph/ops/activation.ts';

type FloatType = 'f32' | 'vec4<f32>';

/** What each function returns, as an expression of x. */
const EXPRESSIONS: Readonly<Record<ActivationName, (type: FloatType) => string>> = {
  // Elfwing et al. 2017. exp's argument is held where its result is finite, since hardware may do anything past that; silu is nothing
  // beside any other value there already.
  silu: (type) => `x / (1.0 + exp(min(-x, ${type}(80.0))))`,
  sigmoid: (type) => `1.0 / (1.0 + exp(min(-x, ${type}(80.0))))`,
  // Hendrycks and Gimpel 2016, the erf form: max(x, 0) - |x| erfc(z) / 2, z = |x| / sqrt(2), whose terms keep their precision at both ends.
  // erfc as t * exp(polynomial in t - z^2), t = 1 / (1 + z / 2), to 1.2e-7 of its value everywhere (Press et al. 1992, 6.2). z is held
  // where erfc has left f32.
  gelu(type) {
    const z = `min(abs(x) * 0.7071067812, ${type}(14.0))`;
    return `max(x, ${type}(0.0)) - 0.5 * abs(x) * erfcOf(${z})`;
  },
  // Hendrycks and Gimpel 2016, the tanh form as a sigmoid: x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)). x is held in the exponent alone.
  geluTanh(type) {
    const held = `clamp(x, ${type}(-10.0), ${type}(10.0))`;
    const exponent = `${held} * (1.595769122 + 0.07135481627 * ${held} * ${held})`;
    return `x / (1.0 + exp(min(-(${exponent}), ${type}(80.0))))`;
  },
  // Hendrycks and Gimpel 2016.
  quickGelu: (type) => `x / (1.0 + exp(min(-1.702 * x, ${type}(80.0))))`,
  // WGSL's own may be inf / inf where its exponentials leave f32, and loses digits near 0, where this is the power series.
  tanh(type) {
    const square = 'x * x';
    const terms = ['1.0', '-0.3333333333', '0.1333333333', '-0.05396825397'];
    const series = terms.reduceRight((rest, term) => `(${term} + ${square} * ${rest})`, '0.02186948854');
    const near = `x * ${series}`;
    const far = `sign(x) * (1.0 - 2.0 / (exp(min(2.0 * abs(x), ${type}(80.0))) + 1.0))`;
    return `select(${far}, ${near}, abs(x) < ${type}(0.25))`;
  },
  relu: (type) => `select(x, ${type}(0.0), x < ${type}(0.0))`,
  leakyFifth: (type) => `x * select(${type}(1.0), ${type}(0.2), x < ${type}(0.0))`,
  leakyTenth: (type) => `x * select(${type}(1.0), ${type}(0.1), x < ${type}(0.0))`,
  leakyHundredth: (type) => `x * select(${type}(1.0), ${type}(0.01), x < ${type}(0.0))`,
  identity: () => 'x',
};

/** Coefficients of t^0 and so on. */
const ERFC = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
] as const;

/** WGSL of 1 - erf(z) for z from 0. */
function erfcFunction(type: FloatType): string {
  const polynomial = ERFC.reduceRight((rest, coefficient) => (rest === '' ? `${coefficient}` : `(${coefficient} + t * ${rest})`), '');
  return `fn erfcOf(z: ${type}) -> ${type} {
  let t = 1.0 / (1.0 + 0.5 * z);
  return t * exp(${polynomial} - z * z);
}
`;
}

/** WGSL of a function of the activation's own name. */
export function activationFunction(name: ActivationName, type: FloatType = 'f32'): string {
  return `${name === 'gelu' ? erfcFunction(type) : ''}fn ${name}(x: ${type}) -> ${type} { return ${EXPRESSIONS[name](type)}; }`;
}

/** WGSL of fn(gate) * up, of expressions; within the bounds of {@link clampFunctions} where `clamp` is given. */
export function gateExpression(fn: ActivationName, clamp: GateClamp | undefined, [gate, up]: readonly [string, string]): string {
  return clamp === undefined ? `${fn}(${gate}) * ${up}` : `${fn}(atMost(${gate})) * (within(${up}) + ${clamp.offset})`;
}

/** Bounds of a gate. They keep NaN, which WGSL's own min and max may drop. */
export function clampFunctions({ limit }: GateClamp, type: FloatType = 'f32'): string {
  return `fn atMost(x: ${type}) -> ${type} { return select(x, ${type}(${limit}), x > ${type}(${limit})); }
fn within(x: ${type}) -> ${type} { return atMost(select(x, ${type}(-${limit}), x < ${type}(-${limit}))); }`;
}
