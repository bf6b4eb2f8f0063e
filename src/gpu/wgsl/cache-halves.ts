/**
 * `fn cacheHalves(quad: vec4<f32>) -> vec2<u32>`: f16 of four values, as a cache holds them. From 65,520 on they are infinite, and NaN
 * stays NaN, as the CPU and the reference have them. WGSL leaves open what `pack2x16float` makes of values that f16 does not hold: where a
 * device is not known to make those of them, both are made by their bits, which costs 13 us of a token (docs/experiments.md).
 */
export function cacheHalves(by: 'device' | 'bits' = 'bits'): string {
  return by === 'bits' ? BY_BITS : `fn cacheHalves(quad: vec4<f32>) -> vec2<u32> {
  return vec2<u32>(pack2x16float(quad.xy), pack2x16float(quad.zw));
}`;
}

const BY_BITS = `fn cacheHalves(quad: vec4<f32>) -> vec2<u32> {
  let bits = bitcast<vec4<u32>>(quad);
  let magnitude = bits & vec4<u32>(0x7fffffffu);
  if (max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w)) < 0x477ff000u) {
    return vec2<u32>(pack2x16float(quad.xy), pack2x16float(quad.zw));
  }
  let held = clamp(quad, vec4<f32>(-65504.0), vec4<f32>(65504.0));
  let pairs = vec2<u32>(pack2x16float(held.xy), pack2x16float(held.zw));
  let halves = vec4<u32>(pairs.x & 0xffffu, pairs.x >> 16u, pairs.y & 0xffffu, pairs.y >> 16u);
  let beyond = select(vec4<u32>(0x7c00u), vec4<u32>(0x7e00u), magnitude > vec4<u32>(0x7f800000u));
  let wild = beyond | ((bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u));
  let all = select(halves, wild, magnitude >= vec4<u32>(0x477ff000u));
  return vec2<u32>(all.x | (all.y << 16u), all.z | (all.w << 16u));
}`;
