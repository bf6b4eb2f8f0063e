/** Philox4x32-10 (Salmon et al. 2011) in WGSL: the stream of src/engine/philox.ts. Wants MULTIPLY_WIDE of wide-integer.ts. */
export const PHILOX = `/// The first word for the counter (position, 0, 0, 0). Key: the seed, low word first.
fn philoxWord(position: u32, seed: vec2<u32>) -> u32 {
  var counter = vec4<u32>(position, 0u, 0u, 0u);
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
