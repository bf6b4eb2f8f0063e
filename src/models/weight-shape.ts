/** The shapes of weights' expressions, which are checked against each other: their numbers come from a file's settings. */
import { FormatError } from '../tensor/errors.ts';
import { elementsOf } from '../tensor/tensor-type.ts';
import { printExpression, reshape, rowsOf, slice } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';

type Shape = readonly number[];
type Fail = (expected: string, found: string) => never;
/** Expressions of one other, which is all that their shape depends on. */
type OfOne = Exclude<WeightExpression, { kind: 'tensor' | 'stack' | 'sum' | 'timesRows' | 'weightNorm' }>;

/**
 * The shape of an expression's value.
 * @throws FormatError that begins with `where` for what has none
 */
export function shapeOf(expression: WeightExpression, where: string): Shape {
  const fail: Fail = (expected, found) => {
    throw new FormatError(
      `${where}: expected ${expected}, found ${found} in ${printExpression(expression)}. ` +
        "The file's settings and its tensors do not belong together, or it is of a variant that is not supported.",
    );
  };
  switch (expression.kind) {
    case 'tensor':
      return expression.shape;
    case 'stack':
      return stackedShape(expression.parts.map((part) => shapeOf(part, where)), fail);
    case 'sum':
      return summedShape(expression.parts.map((part) => shapeOf(part, where)), fail);
    case 'timesRows': {
      const [shape, by] = [shapeOf(expression.of, where), shapeOf(expression.by, where)];
      if (shape.length > 2 || by.length !== 1 || by[0] !== shape[0])
        fail('a matrix or a vector, and a factor for each of its rows', `shapes [${shape.join(', ')}] and [${by.join(', ')}]`);
      return shape;
    }
    case 'weightNorm': {
      const [shape, lengths] = [shapeOf(expression.of, where), shapeOf(expression.by, where)];
      if (elementsOf(lengths) !== shape[0]) fail(`a length for each of ${shape[0]} entries`, shown(lengths));
      return shape;
    }
    default:
      return shapeAfter(expression, shapeOf(expression.of, where), fail);
  }
}

/** @param shape of what the expression is of */
function shapeAfter(expression: OfOne, shape: Shape, fail: Fail): Shape {
  switch (expression.kind) {
    case 'slice':
      return slicedShape(expression, shape, fail);
    case 'permuteHeads':
      return permutedShape(expression.heads, shape, fail);
    case 'transposeHeads': {
      const { outer, inner } = expression;
      const { rows } = rowsOf(shape);
      if (!isCount(outer) || !isCount(inner) || rows % (outer * inner) !== 0)
        fail(`numbers of heads that divide ${rows} rows`, `${outer} and ${inner}`);
      return shape;
    }
    case 'expert':
      return expertShape(expression.index, shape, fail);
    case 'reshape':
      if (!expression.shape.every(isCount) || elementsOf(shape) !== elementsOf(expression.shape))
        fail(`a shape of ${elementsOf(shape)} values`, `[${expression.shape.join(', ')}]`);
      return expression.shape;
    case 'transpose':
      if (shape.length < 2) fail('a matrix to transpose', shown(shape));
      return [...shape.slice(0, -2), shape.at(-1) as number, shape.at(-2) as number];
    case 'padded': {
      const to = expression.shape;
      if (shape.length > 2 || shape.length !== to.length || !to.every((size, i) => isCount(size) && (shape[i] as number) <= size))
        fail(`a matrix or a vector within [${to.join(', ')}]`, shown(shape));
      return to;
    }
    case 'plus':
      if (!Number.isFinite(Math.fround(expression.value))) fail('a finite number to add', `${expression.value}`);
      if (shape.length !== 1) fail('a vector to add to', shown(shape));
      return shape;
    case 'apply':
      if (shape.length !== 1) fail('a vector', shown(shape));
      return shape;
    default:
      throw new Error(`expression without a shape: ${JSON.stringify(expression satisfies never)}`);
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function shown(shape: Shape): string {
  return `shape [${shape.join(', ')}]`;
}

function stackedShape(shapes: readonly Shape[], fail: Fail): Shape {
  const [first] = shapes;
  if (first === undefined) return fail('at least one part to stack', 'none');
  const axis = Math.max(0, first.length - 2);
  for (const shape of shapes) {
    if (shape.length !== first.length || shape.some((size, i) => i !== axis && size !== first[i]))
      fail(`parts that differ in their rows alone, like [${first.join(', ')}]`, `[${shape.join(', ')}]`);
  }
  return first.map((size, i) => (i === axis ? shapes.reduce((sum, shape) => sum + (shape[axis] as number), 0) : size));
}

function slicedShape({ start, end, step }: { start: number; end: number; step: number }, shape: Shape, fail: Fail) {
  const { outer, rows, inner } = rowsOf(shape);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end || end > rows)
    fail(`rows within 0 to ${rows}`, `${start} to ${end}`);
  if (!isCount(step)) fail('a step of at least 1', `${step}`);
  return [...outer, Math.ceil((end - start) / step), ...inner];
}

function permutedShape(heads: number, shape: Shape, fail: Fail): Shape {
  const { rows } = rowsOf(shape);
  if (shape.length > 2) fail('a matrix or a vector with heads', shown(shape));
  if (!isCount(heads) || rows % heads !== 0) fail(`a number of heads that divides ${rows} rows`, `${heads}`);
  if ((rows / heads) % 2 !== 0) fail('heads with an even number of rows', `${rows / heads}`);
  return shape;
}

function expertShape(index: number, shape: Shape, fail: Fail): Shape {
  const [experts = 0] = shape;
  if (shape.length < 2) fail('experts along the first of at least two dimensions', shown(shape));
  if (!Number.isSafeInteger(index) || index < 0 || index >= experts) fail(`an expert within 0 to ${experts - 1}`, `${index}`);
  return shape.slice(1);
}

function summedShape([first, ...others]: readonly Shape[], fail: Fail): Shape {
  if (first?.length !== 1) return fail('vectors to add up', shown(first ?? []));
  const unlike = others.find((other) => other.join() !== first.join());
  return unlike === undefined ? first : fail(`vectors of ${first[0]} values`, shown(unlike));
}

/** Rows [start, end) of every of `heads` heads: of a tensor whose heads each hold the rows of several weights. */
export function sliceOfHeads(of: WeightExpression, heads: number, start: number, end: number): WeightExpression {
  const { rows, inner } = rowsOf(shapeOf(of, 'sliceOfHeads'));
  return reshape(slice(reshape(of, [heads, rows / heads, ...inner]), start, end), [heads * (end - start), ...inner]);
}
