/**
 * WGSL by which products find the experts of rows. Kernels for one row take a number of its experts (`choice`) and read `routes`; kernels
 * for several take a tile of (row, choice) pairs of one expert and read `lists` (kernels/expert-lists). A pair is row * used + choice.
 */
import { matrixRows } from '../linear-shape.ts';
import type { ExpertsShape, LinearShape } from '../linear-shape.ts';
import { range } from './expressions.ts';

/** WGSL expression of the expert that a value of routes names; within bounds whatever it is. */
export function expertNumber(value: string, { count }: Pick<ExpertsShape, 'count'>): string {
  return `min(u32(${value}), ${count - 1}u)`;
}

/**
 * - one row: `fn expertOf(choice: u32) -> u32`.
 * - several: `fn expertTile(number: u32) -> ExpertTile`, its expert, its first pair in `lists` and the end of them. Tiles past the last end
 *   where they begin.
 */
export function expertFunctions({ experts }: LinearShape, rows: 'one' | 'several'): string {
  if (experts === undefined) return '';
  const { used } = experts;
  if (rows === 'one') return `fn expertOf(choice: u32) -> u32 { return ${expertNumber(`routes[${used}u + choice]`, experts)}; }`;
  return `struct ExpertTile { expert: u32, first: u32, end: u32 }
fn expertTile(number: u32) -> ExpertTile {
  let at = step.rows * ${used}u + 3u * number;
  return ExpertTile(lists[at], lists[at + 1u], lists[at + 1u] + lists[at + 2u]);
}`;
}

/** `fn xRowOf(pair: u32) -> u32`: where its x begins, in rows of `cols`. */
export function pairFunctions({ experts }: LinearShape): string {
  if (experts === undefined) return '';
  return `fn xRowOf(pair: u32) -> u32 { return ${experts.each ? 'pair' : `pair / ${experts.used}u`}; }`;
}

/** Calls of `call(n, offset)`, of a part and the rows of all experts before it, by the expert's number: the same for a workgroup. */
export function byExpert(shape: LinearShape, expert: string, call: (n: number, rowsBefore: number) => string): string {
  const rows = matrixRows(shape);
  let before = 0;
  const branches = shape.parts.map((part, n) => {
    const text = `{ ${call(n, before)} }`;
    before += part.rows;
    return n === shape.parts.length - 1 ? text : `if (${expert} < ${before / rows}u) ${text}`;
  });
  return branches.join(' else ');
}

/** Of a summed product: the weight of a choice, and its bias at a row, over all experts. */
export function weightedBias(shape: LinearShape, row: string): string {
  const { used } = shape.experts as ExpertsShape;
  return range(used).map((i) => `routes[${i}u] * bias[expertOf(${i}u) * ${matrixRows(shape)}u + ${row}]`).join(' + ');
}
