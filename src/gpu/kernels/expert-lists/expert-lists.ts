/**
 * The rows of a step by the experts that they go to, so that a product reads each expert once for all of its rows. A pair is a row's
 * choice: row * used + choice. Binding `lists`: array<u32> of 4 * rows * used words: the pairs, expert by expert; then tiles of up to
 * `tileRows` pairs of one expert, three words each: the expert, the first pair's place in the list, how many. Tiles past the last have
 * none. In which order an expert's pairs come hangs on chance; what becomes of each does not.
 */
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import type { ExpertsShape } from '../../linear-shape.ts';
import { STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import { expertNumber } from '../../wgsl/expert-rows.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';

export interface ExpertListsVariant extends Pick<ExpertsShape, 'count' | 'used'> {
  readonly tileRows: number;
  /** Of its only workgroup. */
  readonly invocations: number;
}

/** Words of `lists` for each row. */
export function expertListWidth({ used }: Pick<ExpertsShape, 'used'>): number {
  return 4 * used;
}

/** Most tiles that `rows` rows can make. */
export function mostExpertTiles({ count, used }: Pick<ExpertsShape, 'count' | 'used'>, rows: number, tileRows: number): number {
  const pairs = rows * used;
  return Math.min(pairs, Math.floor((pairs + Math.min(count, pairs) * (tileRows - 1)) / tileRows));
}

/** Passes of a GEMV over the rows of experts: one for each choice of a single row, or for each tile of pairs. */
export function expertColumns(experts: ExpertsShape, rows: number, batch: number): number {
  if (batch === 1) return experts.summed ? 1 : experts.used;
  return mostExpertTiles(experts, rows, batch);
}

/** Binding `routes`: f32 [rows, 2 * used] of a route op. */
export function expertListsKernel(variant: ExpertListsVariant): Kernel {
  const { count, used, tileRows, invocations } = variant;
  const bindings: readonly Binding[] = [
    { name: 'routes', access: 'read', type: 'array<f32>' },
    { name: 'lists', access: 'write', type: 'array<u32>' },
    STEP_BINDING,
  ];
  const pairs = (body: string) => `  for (var i = 0u; i < (pairs + ${invocations - 1}u) / ${invocations}u; i++) {
    let pair = i * ${invocations}u + lane;
    if (pair < pairs) {
${body}
    }
  }`;
  const expert = `      let expert = ${expertNumber(`routes[pair + (pair / ${used}u + 1u) * ${used}u]`, variant)};`;
  const expertLoop = (body: string) => laneLoop(count, invocations, body);
  return {
    key: kernelKey('expert-lists', variant),
    label: `expert-lists [${count}] x${used} in ${tileRows}`,
    wgsl: `${kernelHeader(bindings, {})}${STEP_STRUCT}
var<workgroup> counts: array<atomic<u32>, ${count}>;
var<workgroup> places: array<atomic<u32>, ${count}>;
@compute @workgroup_size(${invocations})
fn main(@builtin(local_invocation_index) lane: u32) {
  let pairs = step.rows * ${used}u;
${expertLoop('    atomicStore(&counts[k], 0u);')}
  workgroupBarrier();
${pairs(`${expert}\n      atomicAdd(&counts[expert], 1u);`)}
  workgroupBarrier();
  var tiles = 0u;
${expertLoop(`    var before = 0u;
    var tile = 0u;
    for (var e = 0u; e < k; e++) {
      let other = atomicLoad(&counts[e]);
      before += other;
      tile += (other + ${tileRows - 1}u) / ${tileRows}u;
    }
    let own = atomicLoad(&counts[k]);
    atomicStore(&places[k], before);
    for (var t = 0u; t < (own + ${tileRows - 1}u) / ${tileRows}u; t++) {
      let first = t * ${tileRows}u;
      let at = pairs + 3u * (tile + t);
      lists[at] = k;
      lists[at + 1u] = before + first;
      lists[at + 2u] = min(own - first, ${tileRows}u);
    }`)}
  for (var e = 0u; e < ${count}u; e++) { tiles += (atomicLoad(&counts[e]) + ${tileRows - 1}u) / ${tileRows}u; }
${pairs(`      if (pair >= tiles) {
        lists[pairs + 3u * pair] = 0u;
        lists[pairs + 3u * pair + 1u] = 0u;
        lists[pairs + 3u * pair + 2u] = 0u;
      }`)}
  workgroupBarrier();
${pairs(`${expert}\n      lists[atomicAdd(&places[expert], 1u)] = pair;`)}
}
`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function expertListsWorkgroups(): Workgroups {
  return [1, 1, 1];
}
