/** WGSL for kernels whose workgroup takes a row, or a part of one: loops over its pieces, and sums over its lanes. */

/** Statements that run `body` for every `k` below `count` that belongs to lane `part` of `lanes`. */
export function laneLoop(count: number, lanes: number, body: string, part = 'lane'): string {
  const bound = count % lanes === 0 ? body : `if (k < ${count}u) {\n${body}\n    }`;
  return `  for (var i = 0u; i < ${Math.ceil(count / lanes)}u; i++) {
    let k = i * ${lanes}u + ${part};
${bound}
  }`;
}

/** Partial sums that are left for every lane to add. */
const LAST_SUMS = 16;

/**
 * `fn rowSum(lane: u32, own: f32) -> f32`: the sum of `own` over a workgroup of `lanes` invocations, a power of two from 16 on, the same in
 * every lane. All of them must call it. It may be called again at once.
 */
export function rowSumFunction(lanes: number): string {
  const each = lanes / LAST_SUMS;
  return `var<workgroup> laneSums: array<f32, ${lanes}>;
var<workgroup> partSums: array<f32, ${LAST_SUMS}>;
fn rowSum(lane: u32, own: f32) -> f32 {
  laneSums[lane] = own;
  workgroupBarrier();
  if (lane < ${LAST_SUMS}u) {
    var part = 0.0;
    for (var i = 0u; i < ${each}u; i++) { part += laneSums[i * ${LAST_SUMS}u + lane]; }
    partSums[lane] = part;
  }
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < ${LAST_SUMS}u; i++) { total += partSums[i]; }
  return total;
}
`;
}
