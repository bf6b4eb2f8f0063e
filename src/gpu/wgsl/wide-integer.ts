/**
 * WGSL functions for 64-bit unsigned integers as vec2<u32>(low, high). The sampler adds weights in these, since integer sums do not
 * depend on their order: the same seed gives the same token in every run, however workgroups happen to be scheduled.
 */

/** The 64-bit product of two 32-bit integers. */
export const MULTIPLY_WIDE = `fn multiplyWide(a: u32, b: u32) -> vec2<u32> {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  let middleLow = aLow * bHigh + (middle & 0xffffu);
  return vec2<u32>(a * b, aHigh * bHigh + (middle >> 16u) + (middleLow >> 16u));
}
`;

/** `fractionOf(a, f)` is floor(a f / 2^32). Wants {@link MULTIPLY_WIDE}. */
export const WIDE_INTEGER = `fn addWide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}
fn subtractWide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}
fn lessWide(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}
fn fractionOf(a: vec2<u32>, f: u32) -> vec2<u32> {
  return addWide(multiplyWide(a.y, f), vec2<u32>(multiplyWide(a.x, f).y, 0u));
}
`;

/** Statement that adds the 64-bit `value` to two atomic words of a 64-bit sum: each addition that wraps the low word carries once. */
export function atomicAddWide(low: string, high: string, value: string): string {
  return `{
      let value = ${value};
      let old = atomicAdd(&${low}, value.x);
      let carried = value.y + select(0u, 1u, old + value.x < old);
      if (carried != 0u) { atomicAdd(&${high}, carried); }
    }`;
}

/** Philox4x32-10 (Salmon et al. 2011): the stream of src/engine/philox.ts. Wants MULTIPLY_WIDE. */
export const PHILOX = `/// The first word for the counter (count, 0, 0, 0). Key: the seed, low word first.
fn philoxWord(count: u32, seed: vec2<u32>) -> u32 {
  var counter = vec4<u32>(count, 0u, 0u, 0u);
  var key = seed;
  for (var round = 0u; round < 10u; round++) {
    let first = multiplyWide(0xd2511f53u, counter.x);
    let second = multiplyWide(0xcd9e8d57u, counter.z);
    counter = vec4<u32>(second.y ^ counter.y ^ key.x, second.x, first.y ^ counter.w ^ key.y, first.x);
    key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return counter.x;
}
`;
