/**
 * The end of a product whose depth several workgroups shared (matrix-gemm.ts with `splits`): adds up their sums, and does what else the
 * product does with its result. An invocation takes four columns of a row; where the result is rounded, one of four then rounds the block
 * of 16 that they made.
 * Bindings: `partials`, f32 [splits, rows, all rows of W], then those of the product's end.
 */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS, withTextOf } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { linearBindings, outputWidth, STEP_STRUCT, totalRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { range } from '../../wgsl/expressions.ts';
import type { MatrixTiling } from './matrix-geometry.ts';
import { finishedQuad, inQuads, roundingFunctions } from './matrix-epilogue.ts';

export interface MatrixCombineVariant {
  readonly shape: LinearShape;
  readonly splits: number;
}

const INVOCATIONS = 128;
const END_BINDINGS = new Set(['bias', 'residual', 'times', 'y', 'yCodes', 'yStats', 'yGain', 'step']);

/** The product itself, without its end. */
export function unfinishedShape(shape: LinearShape): LinearShape {
  return {
    ...shape, bias: false, gated: false, clamp: undefined, residual: false, activation: undefined,
    outputs: { f32: true, q8: undefined },
  };
}

/** What adds up the parts that a tiling leaves. */
export function combineOf(shape: LinearShape, { splits }: Pick<MatrixTiling, 'splits'>): MatrixCombineVariant {
  return { shape, splits };
}

/** Bytes of `partials` for so many rows. */
export function partialBytes({ shape, splits }: MatrixCombineVariant, rows: number): number {
  return splits * rows * totalRows(shape) * 4;
}

export function matrixCombineWorkgroups({ shape }: MatrixCombineVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, Math.ceil((rows * outputWidth(shape)) / 4 / INVOCATIONS)));
}

/** Statements that finish quad `out` of row `row`, in `v`. */
function quadText({ shape, splits }: MatrixCombineVariant): string {
  const quads = totalRows(shape) / 4;
  const column = (n: number) => (shape.gated ? `out / 4u * 8u + out % 4u + ${4 * n}u` : 'out');
  const sum = (n: number) => range(splits).map((s) => `partials[(${s}u * step.rows + row) * ${quads}u + c${n}]`).join(' + ');
  const product = (n: number) => `(${sum(n)}${shape.bias ? ` + bias[c${n}]` : ''})`;
  const columns = range(shape.gated ? 2 : 1).map((n) => `let c${n} = ${column(n)};`).join(' ');
  return `${columns}
    v = ${finishedQuad(shape, product, { row: 'row', quad: 'out' })};
    ${shape.outputs.f32 ? `y[row * ${outputWidth(shape) / 4}u + out] = v;` : ''}`;
}

/** Statements that round what four lanes made. */
const BLOCK_TEXT = `quads[lane] = v;
  workgroupBarrier();
  if (row < step.rows && (lane & 3u) == 0u) {
    yPutBlock(row, out / 4u, mat4x4<f32>(quads[lane], quads[lane + 1u], quads[lane + 2u], quads[lane + 3u]));
  }`;

const bindingsOf = (shape: LinearShape): readonly Binding[] => [
  { name: 'partials', access: 'read', type: 'array<vec4<f32>>' },
  ...inQuads(linearBindings(shape, { step: true, vectorX: true })).filter(({ name }) => END_BINDINGS.has(name)),
];

function textOf(variant: MatrixCombineVariant): string {
  const { shape } = variant;
  const { q8 } = shape.outputs;
  const quads = outputWidth(shape) / 4;
  return `${STEP_STRUCT}
${kernelHeader(bindingsOf(shape), {})}${q8 ? `var<workgroup> quads: array<vec4<f32>, ${INVOCATIONS}>;\n` : ''}
${endFunction(shape, 'vec4<f32>')}
${roundingFunctions(shape)}
@compute @workgroup_size(${INVOCATIONS})
fn main(${MAIN_ARGUMENTS}) {
  let index = ${LINEAR_WORKGROUP} * ${INVOCATIONS}u + lane;
  let row = index / ${quads}u;
  let out = index % ${quads}u;
  var v: vec4<f32>;
  if (row < step.rows) {
    ${quadText(variant)}
  }
  ${q8 ? BLOCK_TEXT : ''}
}
`;
}

export function matrixCombineKernel(variant: MatrixCombineVariant): Kernel {
  const { shape, splits } = variant;
  const { bias, gated, clamp, residual, activation, outputs } = shape;
  return withTextOf({
    key: kernelKey('matrix-combine', { splits, rows: totalRows(shape), bias, gated, clamp, residual, activation, outputs }),
    label: `matrix-combine [${outputWidth(shape)}] of ${splits}`,
    bindings: bindingsOf(shape),
    workgroupSize: INVOCATIONS,
    needs: {},
  }, () => textOf(variant));
}
