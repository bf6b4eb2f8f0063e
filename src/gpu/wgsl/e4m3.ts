/** WGSL that reads floats of one byte (OCP FP8 e4m3) without counting on f32's subnormal numbers or f16's. */

const hex = (bits: number) => `0x${(bits >>> 0).toString(16).padStart(8, '0')}u`;

/**
 * Expression of the values of `bytes` (a name; vec{lanes}<u32> without signs) times 2^power. Numbers below 2^-6 have no leading one: they
 * are read with one, as numbers from 2^-6 on, of which 2^-6 is taken off.
 */
export function e4m3Magnitudes(bytes: string, { lanes, power }: { readonly lanes: 2 | 4; readonly power: number }): string {
  const [words, floats] = [`vec${lanes}<u32>`, `vec${lanes}<f32>`];
  const isSmall = `${bytes} < ${words}(8u)`;
  const exponent = (more: number) => `${words}(${hex((120 + power + more) << 23)})`;
  const raised = `bitcast<${floats}>((${bytes} << ${words}(20u)) + select(${exponent(0)}, ${exponent(1)}, ${isSmall}))`;
  return `(${raised} - select(${floats}(), ${floats}(${2 ** (power - 6)}), ${isSmall}))`;
}

/** `fn {name}(word) -> vec4<f32>`: the four values of a word, lowest byte first. */
export function e4m3Function(name: string): string {
  return `fn ${name}(word: u32) -> vec4<f32> {
  let signed = vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u);
  let bytes = signed & vec4<u32>(0x7fu);
  let values = ${e4m3Magnitudes('bytes', { lanes: 4, power: 0 })};
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(values) | ((signed & vec4<u32>(0x80u)) << vec4<u32>(24u)));
}`;
}
