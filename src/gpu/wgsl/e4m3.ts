/** WGSL that reads floats of one byte (OCP FP8 e4m3). */

import { hexWord } from './expressions.ts';

/**
 * Of scales, without signs and without counting on f32's subnormal numbers or f16's: statement `let raised` and the expression of the
 * values of two bytes at bit 20 of their words (vec2<u32>), times 2^power.
 * Numbers below 2^-6 have no leading one. Read with one, as halves of numbers from 2^-6 on, they are 2 * raised - 2^-6; of that and
 * `raised` the right one is the smaller for all numbers.
 */
export function e4m3Magnitudes(shifted: string, power: number): { readonly raised: string; readonly values: string } {
  return {
    raised: `let raised = bitcast<vec2<f32>>((${shifted}) + vec2<u32>(${hexWord((120 + power) << 23)}));`,
    values: `min(raised, 2.0 * raised - vec2<f32>(${2 ** (power - 6)}))`,
  };
}

/** What {@link e4m3Function} gives for 1. */
export const E4M3_UNIT = 2 ** -8;

/**
 * `fn {name}(word) -> vec4<f32>`: the four values of a word times 2^-8, lowest byte first. A byte's exponent and mantissa are those of a
 * half, whose exponent counts from 8 less. Its numbers below 2^-6 are subnormal halves, which WGSL lets a device read as zeros, as it does
 * scales in f16.
 */
export function e4m3Function(name: string): string {
  return `fn ${name}(word: u32) -> vec4<f32> {
  let even = unpack2x16float(((word << 8u) & 0x80008000u) | ((word << 7u) & 0x3f803f80u));
  let odd = unpack2x16float((word & 0x80008000u) | ((word >> 1u) & 0x3f803f80u));
  return vec4<f32>(even.x, odd.x, even.y, odd.y);
}`;
}
