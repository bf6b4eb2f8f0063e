/**
 * From weights to the tensors of a file, which is the way of weight expressions backwards: where a weight is a part of a tensor, the
 * tensor is the stack of its weights; where it is a stack of tensors, each of them is a slice of it.
 */
import { FormatError } from '../tensor/errors.ts';
import {
  apply, permuteHeads, plus, printExpression, reshape, rowsOf, slice, stack, transpose, transposeHeads, VALUE_FUNCTIONS,
} from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { shapeOf } from './weight-shape.ts';
import { elementsOf } from '../tensor/tensor-type.ts';

export interface InvertibleWeight {
  readonly id: string;
  /** What the weight is of the tensors to be written. */
  readonly stored: WeightExpression;
  /** What it is of the tensors that are there. */
  readonly value: WeightExpression;
}

export interface InvertedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** What it is of the tensors that are there. */
  readonly from: WeightExpression;
  /** Ids of the weights that it holds. */
  readonly weights: readonly string[];
}

/** Rows of a tensor, as `view` has them, and what they are. */
interface Piece {
  readonly id: string;
  readonly name: string;
  readonly shape: readonly number[];
  readonly view: readonly number[];
  readonly start: number;
  readonly value: WeightExpression;
}

/**
 * The tensors to be written, in the order in which the weights name them.
 * @throws FormatError for a tensor of whose rows some have no weight, and for what cannot be written as it is stored
 */
export function invertWeights(weights: readonly InvertibleWeight[], where: string): InvertedTensor[] {
  const pieces = new Map<string, Piece[]>();
  for (const { id, stored, value } of weights) {
    for (const piece of piecesOf(stored, value, { id, where: `${where}: weight ${id}` }))
      pieces.set(piece.name, [...(pieces.get(piece.name) ?? []), piece]);
  }
  return [...pieces.values()].map((of) => assembled(of, where));
}

interface Inverting {
  readonly id: string;
  readonly where: string;
}

/** What the tensors of `stored` must hold for it to be `value`. */
function piecesOf(stored: WeightExpression, value: WeightExpression, inverting: Inverting): Piece[] {
  const { where } = inverting;
  switch (stored.kind) {
    case 'tensor':
    case 'slice':
    case 'expert':
      return [pieceOf(stored, value, inverting)];
    case 'permuteHeads':
      return piecesOf(stored.of, permuteHeads(value, stored.heads, stored.to === 'halves' ? 'pairs' : 'halves'), inverting);
    case 'transposeHeads':
      return piecesOf(stored.of, transposeHeads(value, stored.inner, stored.outer), inverting);
    case 'plus':
      return piecesOf(stored.of, plus(value, -stored.value), inverting);
    case 'apply':
      return piecesOf(stored.of, apply(value, VALUE_FUNCTIONS[stored.fn].inverse), inverting);
    case 'transpose':
      return piecesOf(stored.of, transpose(value), inverting);
    case 'reshape':
      return piecesOf(stored.of, reshape(value, shapeOf(stored.of, where)), inverting);
    case 'padded':
      throw new FormatError(`${where}: ${printExpression(stored)} is wider than its tensor; it cannot be written.`);
    case 'sum':
    case 'timesRows':
    case 'weightNorm':
      throw new FormatError(`${where}: ${printExpression(stored)} holds several tensors in one weight; they cannot be told apart again.`);
    case 'stack': {
      let start = 0;
      return stored.parts.flatMap((part) => {
        const from = start;
        start += rowsOf(shapeOf(part, where)).rows;
        return piecesOf(part, slice(value, from, start), inverting);
      });
    }
    default:
      throw new Error(`expression without an inverse: ${JSON.stringify(stored satisfies never)}`);
  }
}

type Part = WeightExpression & { readonly kind: 'tensor' | 'slice' | 'expert' };

/** A part of a tensor, which may be seen under other dimensions. */
function pieceOf(stored: Part, value: WeightExpression, { id, where }: Inverting): Piece {
  let leaf = stored.kind === 'tensor' ? stored : stored.of;
  const view = shapeOf(leaf, where);
  while (leaf.kind === 'reshape') leaf = leaf.of;
  if (leaf.kind !== 'tensor' || (stored.kind === 'slice' && stored.step !== 1)) {
    throw new FormatError(
      `${where}: expected rows of one tensor that follow each other, found ${printExpression(stored)}; it cannot be written.`,
    );
  }
  const { name, shape } = leaf;
  if (stored.kind === 'tensor') return { id, name, shape, view, start: 0, value };
  if (stored.kind === 'slice') return { id, name, shape, view, start: stored.start, value };
  // Experts lie one after the other: their rows are those of one tall matrix.
  const [experts = 0, ...own] = view;
  const [rows = 0, ...inner] = own;
  return { id, name, shape, view: [experts * rows, ...inner], start: stored.index * rows, value };
}

/** One tensor of its pieces; of two weights that are the same rows the first counts. */
function assembled(pieces: readonly Piece[], where: string): InvertedTensor {
  const [{ name, shape, view }] = pieces as [Piece];
  const { rows } = rowsOf(view);
  const values: WeightExpression[] = [];
  let end = 0;
  for (const { view: other, start, value } of pieces.toSorted((a, b) => a.start - b.start)) {
    const own = rowsOf(shapeOf(value, where)).rows;
    if (other.join() !== view.join()) throw unlike(name, `parts of [${view.join(', ')}] and of [${other.join(', ')}]`, where);
    if (start + own <= end) continue;
    if (start < end) throw unlike(name, `rows ${start} to ${end} of two weights`, where);
    if (start > end) throw unlike(name, `rows ${end} to ${start} of no weight`, where);
    values.push(value);
    end += own;
  }
  if (end !== rows) throw unlike(name, `rows ${end} to ${rows} of no weight`, where);
  const whole = values.length === 1 ? (values[0] as WeightExpression) : stack(values);
  const from = view.join() === shape.join() ? whole : reshape(whole, shape);
  if (elementsOf(shapeOf(from, where)) !== elementsOf(shape)) throw unlike(name, `shape [${shapeOf(from, where).join(', ')}]`, where);
  return { name, shape, from, weights: pieces.map(({ id }) => id) };
}

function unlike(name: string, found: string, where: string): FormatError {
  return new FormatError(`${where}: expected weights for every row of ${name} once, found ${found}; it cannot be written.`);
}
