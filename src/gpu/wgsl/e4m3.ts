/** WGSL that reads floats of one byte (OCP FP8 e4m3) without counting on f32's subnormal numbers or f16's. */

import { hexWord } from './expressions.ts';

/**
 * Statement `let raised` and the expression of the values, of bytes without signs at bit 20 of their words (vec{lanes}<u32>), times
 * 2^power.
 * Numbers below 2^-6 have no leading one. Read with one, as halves of numbers from 2^-6 on, they are 2 * raised - 2^-6; of that and
 * `raised` the right one is the smaller for all numbers.
 */
export function e4m3Magnitudes(shifted: string, { lanes, power }: { readonly lanes: 2 | 4; readonly power: number }): {
  readonly raised: string;
  readonly values: string;
} {
  const [words, floats] = [`vec${lanes}<u32>`, `vec${lanes}<f32>`];
  return {
    raised: `let raised = bitcast<${floats}>((${shifted}) + ${words}(${hexWord((120 + power) << 23)}));`,
    values: `min(raised, 2.0 * raised - ${floats}(${2 ** (power - 6)}))`,
  };
}

/** `fn {name}(word) -> vec4<f32>`: the four values of a word, lowest byte first. */
export function e4m3Function(name: string): string {
  const shifted = 'vec4<u32>(word << 20u, word << 12u, word << 4u, word >> 4u) & vec4<u32>(0x07f00000u)';
  const { raised, values } = e4m3Magnitudes(shifted, { lanes: 4, power: 0 });
  return `fn ${name}(word: u32) -> vec4<f32> {
  ${raised}
  let signs = vec4<u32>(word << 24u, word << 16u, word << 8u, word) & vec4<u32>(0x80000000u);
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(${values}) | signs);
}`;
}
