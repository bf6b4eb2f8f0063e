/**
 * WGSL of `fn silu(x) -> x / (1 + exp(-x))` for values or vectors of them. Elfwing et al. 2017. exp's argument is held where its result is
 * finite, since hardware may do anything past that; silu is nothing beside any other value there already.
 */
export function siluFunction(type: 'f32' | 'vec4<f32>' = 'f32'): string {
  return `fn silu(x: ${type}) -> ${type} { return x / (1.0 + exp(min(-x, ${type}(80.0)))); }`;
}
