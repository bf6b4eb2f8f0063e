/**
 * WGSL by which products find the experts of rows. Kernels for one row take a number of its experts (`choice`) and read `routes`; kernels
 * for several take a tile of (row, choice) pairs of one expert and read `lists` (kernels/expert-lists). A pair is row * used + choice.
 */
import { matrixRows, outputWidth } from '../linear-shape.ts';
import type { ExpertsShape, LinearShape } from '../linear-shape.ts';
import { range } from './expressions.ts';
import { laneLoop } from './row-sum.ts';

/** WGSL expression of the expert that a value of routes names; within bounds whatever it is. */
export function expertNumber(value: string, { count }: Pick<ExpertsShape, 'count'>): string {
  return `min(u32(${value}), ${count - 1}u)`;
}

/**
 * - one row: `fn expertOf(choice: u32) -> u32`; of a sum over a piece also `fn weightOf(choice: u32) -> f32`, 0 for experts elsewhere.
 * - several: `fn expertTile(number: u32) -> ExpertTile`, its expert, its first pair in `lists` and the end of them. Tiles past the last end
 *   where they begin.
 *
 * Of a piece, experts count from its first on. Others have numbers past its last, but in sums, where they are its last.
 */
export function expertFunctions({ experts }: LinearShape, rows: 'one' | 'several'): string {
  if (experts === undefined) return '';
  const { used, summed, piece } = experts;
  const from = piece && piece.first > 0 ? ` - ${piece.first}u` : '';
  if (rows === 'one') {
    const value = `routes[${used}u + choice]`;
    const number = piece ? `u32(${value})${from}` : expertNumber(value, experts);
    const expert = piece && summed ? `min(${number}, ${piece.count - 1}u)` : number;
    const weight = piece && summed
      ? `\nfn weightOf(choice: u32) -> f32 { return select(0.0, routes[choice], ${number} < ${piece.count}u); }`
      : '';
    return `fn expertOf(choice: u32) -> u32 { return ${expert}; }${weight}`;
  }
  return `struct ExpertTile { expert: u32, first: u32, end: u32 }
fn expertTile(number: u32) -> ExpertTile {
  let at = step.rows * ${used}u + 3u * number;
  return ExpertTile(lists[at]${from}, lists[at + 1u], lists[at + 1u] + lists[at + 2u]);
}`;
}

/** WGSL of the weight of a choice in a sum. */
export function choiceWeight({ experts }: LinearShape, choice: string): string {
  return experts?.piece ? `weightOf(${choice})` : `routes[${choice}]`;
}

/** WGSL of an expert's number over all of a layer, from its number in what the parts hold. */
export function wholeNumber({ experts }: LinearShape, expert: string): string {
  return experts?.piece ? `(${expert} + ${experts.piece.first}u)` : expert;
}

/** Where a kernel is whose expert its parts may not hold. */
export interface OtherExpert {
  readonly rows: 'one' | 'several';
  /** WGSL: the pair, or the list's first place and the end of them; the first column of the workgroup's results; the invocation. */
  readonly pairs: readonly [first: string, end?: string];
  readonly column: string;
  readonly lane: string;
  /** Columns of a workgroup's results, and its invocations. */
  readonly columns: number;
  readonly lanes: number;
}

/** Ends a workgroup whose `expert` the parts do not hold: its results are left, or copied from `before`. '' where they hold all. */
export function otherExpertText(shape: LinearShape, expert: string, { rows, pairs, column, lane, columns, lanes }: OtherExpert): string {
  const piece = shape.experts?.piece;
  if (piece === undefined || shape.experts?.summed) return '';
  const width = outputWidth(shape);
  const copy = (pair: string) => laneLoop(columns, lanes, `    let at = ${column} + k;
    if (at < ${width}u) { y[${pair} * ${width}u + at] = before[${pair} * ${width}u + at]; }`, lane);
  const [first, end] = pairs;
  const kept = rows === 'one' ? copy(first) : `  for (var p = ${first}; p < ${end}; p++) {\n  let pair = lists[p];\n${copy('pair')}\n  }`;
  return `\n  if (${expert} >= ${piece.count}u) {\n${piece.before ? `${kept}\n` : ''}  return;\n  }`;
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
  const biasRow = (i: number) => `${wholeNumber(shape, `expertOf(${i}u)`)} * ${matrixRows(shape)}u + ${row}`;
  return range(used).map((i) => `${choiceWeight(shape, `${i}u`)} * bias[${biasRow(i)}]`).join(' + ');
}
