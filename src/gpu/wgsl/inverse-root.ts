/**
 * WGSL expression of 1 / sqrt(mean) for a norm, given that of a mean square (repeated: a name, or cheap). Where squares have left f32 the
 * mean is infinite and the root's inverse would be 0, a row of zeros that looks like an answer; by a factor this large the row becomes
 * infinite instead, as its logits do, which sampling tells. NaN would say it too, but WGSL may reckon as if there were none.
 */
export function inverseRoot(mean: string): string {
  return `select(inverseSqrt(${mean}), 3e38, ${mean} > 3e38)`;
}
