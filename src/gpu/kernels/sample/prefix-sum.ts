/** A sum over the invocations before one's own, in WGSL, with few barriers and no subgroups. */

const GROUP = 16;

/**
 * `sumBefore(lane, own)` over values of a count and a 64-bit weight (low, high); `wholeSum()` afterwards is the sum over all, the same
 * in uniform control flow. Wants WIDE_INTEGER.
 */
export function prefixSum(invocations: number): string {
  return `var<workgroup> addends: array<vec3<u32>, ${invocations}>;
var<workgroup> groupSums: array<vec3<u32>, ${invocations / GROUP}>;
var<workgroup> sumOfAll: vec3<u32>;
fn addCounted(a: vec3<u32>, b: vec3<u32>) -> vec3<u32> {
  return vec3<u32>(a.x + b.x, addWide(a.yz, b.yz));
}
fn sumBefore(lane: u32, own: vec3<u32>) -> vec3<u32> {
  addends[lane] = own;
  workgroupBarrier();
  if (lane < ${invocations / GROUP}u) {
    var sum = vec3<u32>(0u);
    for (var i = 0u; i < ${GROUP}u; i++) { sum = addCounted(sum, addends[lane * ${GROUP}u + i]); }
    groupSums[lane] = sum;
  }
  workgroupBarrier();
  var sum = vec3<u32>(0u);
  for (var i = 0u; i < lane / ${GROUP}u; i++) { sum = addCounted(sum, groupSums[i]); }
  for (var i = lane & ${~(GROUP - 1) >>> 0}u; i < lane; i++) { sum = addCounted(sum, addends[i]); }
  if (lane == ${invocations - 1}u) { sumOfAll = addCounted(sum, own); }
  workgroupBarrier();
  return sum;
}
fn wholeSum() -> vec3<u32> {
  return workgroupUniformLoad(&sumOfAll);
}
`;
}
