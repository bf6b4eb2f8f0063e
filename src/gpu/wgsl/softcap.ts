/** A bound that values come near and do not pass. Bello et al. 2016. */

/**
 * WGSL of `softcap(x)`, cap * tanh(x / cap): by its series where it is nearly x (a difference of numbers near 1 would have no digits
 * left), by exponentials beyond. What is not finite stays so, as everywhere (`inverseRoot`).
 */
export function softcapFunction(cap: number, type: 'f32' | 'vec4<f32>'): string {
  return `fn softcap(x: ${type}) -> ${type} {
  let u = clamp(x * ${1 / cap}, ${type}(-20.0), ${type}(20.0));
  let s = u * u;
  let small = u * (1.0 + s * (${-1 / 3} + s * (${2 / 15} + s * (${-17 / 315} + s * ${62 / 2835}))));
  let large = 1.0 - 2.0 / (exp(2.0 * u) + 1.0);
  return select(x, f32(${cap}) * select(large, small, abs(u) < ${type}(0.3)), abs(x) <= ${type}(3e38));
}`;
}
