/**
 * Tiles of columns whose depths neighbouring workgroups share out evenly, so that there are as many workgroups as the cores hold where
 * whole parts of a depth would be too few or too many: the steps of `tiles` tiles, one tile after another, are cut into `workgroups` runs
 * of the same length, no longer than a tile's steps. A run has steps of two tiles at most, and leaves a part of the sums of each; a tile's
 * parts are numbered from 0, and combined by matrix-combine.ts. The bench has such tilings; the table has none before they are measured.
 */
export interface SharedTiles {
  readonly tiles: number;
  readonly workgroups: number;
}

/** Steps of a run. */
export function runOf({ tiles, workgroups }: SharedTiles, steps: number): number {
  return Math.ceil((tiles * steps) / workgroups);
}

/** Parts of the tile of number `n` of its group. */
function partsOf(shared: SharedTiles, steps: number, n: number): number {
  const run = runOf(shared, steps);
  return Math.floor(((n + 1) * steps - 1) / run) - Math.floor((n * steps) / run) + 1;
}

/** The least and the most parts that a tile has. */
export function partsRange(shared: SharedTiles, steps: number): readonly [least: number, most: number] {
  const all = Array.from({ length: shared.tiles }, (_, n) => partsOf(shared, steps, n));
  return [Math.min(...all), Math.max(...all)];
}

/** WGSL of a tile's parts; `n` is its number in its group. */
export function partsText(shared: SharedTiles, steps: number, n: string): string {
  const run = runOf(shared, steps);
  return `(((${n} + 1u) * ${steps}u - 1u) / ${run}u - ${n} * ${steps}u / ${run}u + 1u)`;
}

/**
 * Statements for the workgroup's segments, each its steps of one tile. `segment` sees `number`, the tile's, `part`, that of its sums, and
 * the first step and the end, `low` and `high`.
 */
export function segmentsText(shared: SharedTiles, steps: number, segment: string): string {
  const { tiles, workgroups } = shared;
  const run = runOf(shared, steps);
  return `let member = workgroup.y % ${workgroups}u;
let runEnd = min((member + 1u) * ${run}u, ${tiles * steps}u);
var at = member * ${run}u;
for (var segment = 0u; segment < 2u; segment++) {
if (at < runEnd) {
let inGroup = at / ${steps}u;
let number = workgroup.y / ${workgroups}u * ${tiles}u + inGroup;
let part = member - inGroup * ${steps}u / ${run}u;
let low = at - inGroup * ${steps}u;
let high = min(runEnd - inGroup * ${steps}u, ${steps}u);
${segment}
at = inGroup * ${steps}u + high;
}
}`;
}
