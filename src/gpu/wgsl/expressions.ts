/** WGSL that many kernels write: text once for each of a number of copies, and a norm's factor. */

/** 0 .. count - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The text that `make` gives for 0 .. count - 1, a line each. */
export const unrolled = (count: number, make: (i: number) => string): string => range(count).map(make).join('\n');

/**
 * WGSL expression of 1 / sqrt(mean) for a norm, given that of a mean square (repeated: a name, or cheap). Where squares have left f32 the
 * mean is infinite and the root's inverse would be 0, a row of zeros that looks like an answer; by a factor this large the row becomes
 * infinite instead, as its logits do, which sampling tells. NaN would say it too, but WGSL may reckon as if there were none.
 */
export function inverseRoot(mean: string): string {
  return `select(inverseSqrt(${mean}), 3e38, ${mean} > 3e38)`;
}

/** WGSL of a u32. */
export function hexWord(bits: number): string {
  return `0x${(bits >>> 0).toString(16).padStart(8, '0')}u`;
}

/** WGSL of a u32 with the same bits in each of its bytes. */
export function everyByte(bits: number): string {
  return hexWord(bits * 0x01010101);
}

/** WGSL of a word shifted to the left, or to the right for a negative count; not in brackets. */
export function shiftedWord(word: string, left: number): string {
  if (left === 0) return word;
  return left > 0 ? `${word} << ${left}u` : `${word} >> ${-left}u`;
}
