/**
 * What a weight of a model is, in terms of a file's tensors: plain data, read only as it is asked for (`weight-reader.ts`).
 *
 * Blocks of a quantised type lie along a row and a row is a whole number of blocks, so whatever moves whole rows (`stack`, `slice`,
 * `permuteHeads`, `transposeHeads`, `expert`, `reshape` of the outer dimensions) is exact for every type and changes no byte of a block.
 * What reaches into a row of blocks (a transpose, a range of columns) has no expression: it is a field of the op that reads the weight. A
 * matrix of floats has no blocks, and may be transposed. Values change only in `plus`, `apply`, `added` and `timesRows`, which are for
 * floats: a norm whose numbers are fixed (of batches) becomes a part of the weights before it; and in `weightNorm`.
 *
 * Rows are counted along the last dimension but one: those of a matrix [rows, cols], those of every expert of [experts, rows, cols],
 * and of a vector [n] its single values.
 */
import { elementsOf } from '../tensor/tensor-type.ts';

export type WeightExpression =
  /** A tensor of the file, which must have this shape. */
  | { readonly kind: 'tensor'; readonly name: string; readonly shape: readonly number[] }
  /** The rows of each part after those of the part before; of equal type and, but for the rows, of equal shape. */
  | { readonly kind: 'stack'; readonly parts: readonly WeightExpression[] }
  /** Rows `start`, `start + step`, ... below `end`. */
  | {
      readonly kind: 'slice';
      readonly of: WeightExpression;
      readonly start: number;
      readonly end: number;
      readonly step: number;
    }
  /**
   * The rows of each of `heads` heads in another order. `pairs` is for interleaved rotation, which turns rows 2i and 2i + 1 together, and
   * `halves` for the rotation that turns rows i and headRows/2 + i together. The operand has the order that `to` does not name.
   */
  | { readonly kind: 'permuteHeads'; readonly of: WeightExpression; readonly heads: number; readonly to: HeadOrder }
  /** The rows as heads [outer, inner], of equally many rows each, in the order [inner, outer]. */
  | { readonly kind: 'transposeHeads'; readonly of: WeightExpression; readonly outer: number; readonly inner: number }
  /** One entry along the outermost dimension, which is then gone. */
  | { readonly kind: 'expert'; readonly of: WeightExpression; readonly index: number }
  /** The same values in the same order under other dimensions; the last one must stay where the type has blocks. */
  | { readonly kind: 'reshape'; readonly of: WeightExpression; readonly shape: readonly number[] }
  /** Rows as columns, of each matrix of the outer dimensions; of floats alone, since blocks lie along rows. */
  | { readonly kind: 'transpose'; readonly of: WeightExpression }
  /** The same with zeros behind the rows, and of floats behind the values of each row, up to `shape`. */
  | { readonly kind: 'padded'; readonly of: WeightExpression; readonly shape: readonly number[] }
  /** `value` added to each value of a vector of floats; the result is f32. */
  | { readonly kind: 'plus'; readonly of: WeightExpression; readonly value: number }
  /** A function of each value of a vector of floats; the result is f32. */
  | { readonly kind: 'apply'; readonly of: WeightExpression; readonly fn: ValueFunction }
  /** The sum of vectors of floats; the result is f32. */
  | { readonly kind: 'sum'; readonly parts: readonly WeightExpression[] }
  /** Rows of floats (values of a vector) times the value of each row in a vector of floats; the result is f32. */
  | { readonly kind: 'timesRows'; readonly of: WeightExpression; readonly by: WeightExpression }
  /**
   * Weight norm undone (Salimans and Kingma 2016): each entry along the outermost dimension, of floats, brought to the length that `by`, of
   * as many values, has for it; an entry of zeros stays. The result is f32.
   */
  | { readonly kind: 'weightNorm'; readonly of: WeightExpression; readonly by: WeightExpression };

/** `minusExp` is -e^x, `logOfMinus` its inverse; `minus` is -x; `inverseRoot` is 1 / sqrt(x), `inverseSquare` its inverse. */
export type ValueFunction = 'minusExp' | 'logOfMinus' | 'minus' | 'inverseRoot' | 'inverseSquare';

export const VALUE_FUNCTIONS: Readonly<Record<ValueFunction, { readonly inverse: ValueFunction; apply(x: number): number }>> = {
  minusExp: { inverse: 'logOfMinus', apply: (x) => -Math.exp(x) },
  logOfMinus: { inverse: 'minusExp', apply: (x) => Math.log(-x) },
  minus: { inverse: 'minus', apply: (x) => -x },
  inverseRoot: { inverse: 'inverseSquare', apply: (x) => 1 / Math.sqrt(x) },
  inverseSquare: { inverse: 'inverseRoot', apply: (x) => 1 / (x * x) },
};

export type HeadOrder = 'halves' | 'pairs';

export function tensor(name: string, shape: readonly number[]): WeightExpression {
  return { kind: 'tensor', name, shape };
}

export function stack(parts: readonly WeightExpression[]): WeightExpression {
  return { kind: 'stack', parts };
}

/** Rows [start, end), or every `step`-th of them. */
export function slice(of: WeightExpression, start: number, end: number, step = 1): WeightExpression {
  return { kind: 'slice', of, start, end, step };
}

export function permuteHeads(of: WeightExpression, heads: number, to: HeadOrder): WeightExpression {
  return { kind: 'permuteHeads', of, heads, to };
}

export function transposeHeads(of: WeightExpression, outer: number, inner: number): WeightExpression {
  return { kind: 'transposeHeads', of, outer, inner };
}

export function expert(of: WeightExpression, index: number): WeightExpression {
  return { kind: 'expert', of, index };
}

export function reshape(of: WeightExpression, shape: readonly number[]): WeightExpression {
  return { kind: 'reshape', of, shape };
}

export function transpose(of: WeightExpression): WeightExpression {
  return { kind: 'transpose', of };
}

export function padded(of: WeightExpression, shape: readonly number[]): WeightExpression {
  return { kind: 'padded', of, shape };
}

export function plus(of: WeightExpression, value: number): WeightExpression {
  return { kind: 'plus', of, value };
}

export function apply(of: WeightExpression, fn: ValueFunction): WeightExpression {
  return { kind: 'apply', of, fn };
}

export function added(parts: readonly WeightExpression[]): WeightExpression {
  return { kind: 'sum', parts };
}

export function timesRows(of: WeightExpression, by: WeightExpression): WeightExpression {
  return { kind: 'timesRows', of, by };
}

export function weightNorm(of: WeightExpression, by: WeightExpression): WeightExpression {
  return { kind: 'weightNorm', of, by };
}

/** Matrices [rows, cols] of one shape, a tensor each in the file, as one of [experts, rows, cols]. */
export function stackExperts(parts: readonly WeightExpression[], shape: readonly number[]): WeightExpression {
  return reshape(stack(parts), [parts.length, ...shape]);
}

/** How a shape is cut into rows. */
export interface RowShape {
  /** Dimensions before the rows. */
  readonly outer: readonly number[];
  /** Product of those: how often the rows come. */
  readonly groups: number;
  readonly rows: number;
  /** Dimensions of a row: none of a vector. */
  readonly inner: readonly number[];
  /** Values of a row. */
  readonly width: number;
}

export function rowsOf(shape: readonly number[]): RowShape {
  const axis = Math.max(0, shape.length - 2);
  const outer = shape.slice(0, axis);
  const inner = shape.slice(axis + 1);
  return { outer, groups: elementsOf(outer), rows: shape[axis] ?? 0, inner, width: elementsOf(inner) };
}

/** Row `row` of the result of permuteHeads is this row of its operand. */
export function permutedRow(row: number, headRows: number, to: HeadOrder): number {
  const half = headRows / 2;
  const own = row % headRows;
  const from = to === 'halves' ? 2 * (own % half) + Math.floor(own / half) : (own % 2) * half + Math.floor(own / 2);
  return row - own + from;
}

/** Row `row` of the result of transposeHeads is this row of its operand, whose heads have `headRows` rows. */
export function transposedRow(row: number, headRows: number, { outer, inner }: { readonly outer: number; readonly inner: number }): number {
  const head = Math.floor(row / headRows);
  return ((head % outer) * inner + Math.floor(head / outer)) * headRows + (row % headRows);
}

/** Names of the tensors that an expression reads. */
export function tensorsOf(expression: WeightExpression): readonly string[] {
  if (expression.kind === 'tensor') return [expression.name];
  if (expression.kind === 'stack' || expression.kind === 'sum') return expression.parts.flatMap(tensorsOf);
  return [...tensorsOf(expression.of), ...('by' in expression ? tensorsOf(expression.by) : [])];
}

/** The same of tensors with other names. */
export function renameTensors(expression: WeightExpression, rename: (name: string) => string): WeightExpression {
  if (expression.kind === 'tensor') return { ...expression, name: rename(expression.name) };
  const renamed = (of: WeightExpression) => renameTensors(of, rename);
  if (expression.kind === 'stack' || expression.kind === 'sum') return { ...expression, parts: expression.parts.map(renamed) };
  const of = renamed(expression.of);
  return 'by' in expression ? { ...expression, of, by: renamed(expression.by) } : { ...expression, of };
}

const MOST_PRINTED = 4;

/** As the functions above write it, without the shapes of tensors. */
export function printExpression(expression: WeightExpression): string {
  switch (expression.kind) {
    case 'tensor':
      return expression.name;
    case 'stack': {
      const printed = expression.parts.slice(0, MOST_PRINTED).map(printExpression);
      const more = expression.parts.length - printed.length;
      return `stack(${[...printed, ...(more > 0 ? [`${more} more`] : [])].join(', ')})`;
    }
    case 'slice': {
      const step = expression.step === 1 ? '' : `, ${expression.step}`;
      return `slice(${printExpression(expression.of)}, ${expression.start}, ${expression.end}${step})`;
    }
    case 'permuteHeads':
      return `permuteHeads(${printExpression(expression.of)}, ${expression.heads}, ${expression.to})`;
    case 'transposeHeads':
      return `transposeHeads(${printExpression(expression.of)}, ${expression.outer}, ${expression.inner})`;
    case 'expert':
      return `expert(${printExpression(expression.of)}, ${expression.index})`;
    case 'reshape':
      return `reshape(${printExpression(expression.of)}, [${expression.shape.join(', ')}])`;
    case 'transpose':
      return `transpose(${printExpression(expression.of)})`;
    case 'padded':
      return `padded(${printExpression(expression.of)}, [${expression.shape.join(', ')}])`;
    case 'plus':
      return `plus(${printExpression(expression.of)}, ${expression.value})`;
    case 'apply':
      return `${expression.fn}(${printExpression(expression.of)})`;
    case 'sum':
      return `added(${expression.parts.map(printExpression).join(', ')})`;
    case 'timesRows':
      return `timesRows(${printExpression(expression.of)}, ${printExpression(expression.by)})`;
    case 'weightNorm':
      return `weightNorm(${printExpression(expression.of)}, ${printExpression(expression.by)})`;
    default:
      throw new Error(`expression without a print: ${JSON.stringify(expression satisfies never)}`);
  }
}
