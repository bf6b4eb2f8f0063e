/**
 * The end of a product whose depth several workgroups shared (matrix-gemm.ts with `splits`): adds up their sums, and does what else the
 * product does with its result. An invocation takes a block of 16 columns of a row where the result is rounded, else four columns.
 * Bindings: `partials`, f32 [splits, rows, all rows of W], then those of the product's end.
 */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS, withTextOf } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { linearBindings, outputWidth, STEP_STRUCT, totalRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { range } from '../../wgsl/expressions.ts';
import { finishedQuad, inQuads, roundingFunctions } from './matrix-epilogue.ts';

export interface MatrixCombineVariant {
  readonly shape: LinearShape;
  readonly splits: number;
}

const INVOCATIONS = 128;
const END_BINDINGS = new Set(['bias', 'residual', 'times', 'y', 'yCodes', 'yStats', 'yGain', 'step']);

const columnsEach = ({ outputs }: LinearShape) => (outputs.q8 ? Q8_BLOCK : 4);

/** The product itself, without its end. */
export function unfinishedShape(shape: LinearShape): LinearShape {
  return {
    ...shape, bias: false, gated: false, clamp: undefined, residual: false, activation: undefined,
    outputs: { f32: true, q8: undefined },
  };
}

/** Bytes of `partials` for so many rows. */
export function partialBytes({ shape, splits }: MatrixCombineVariant, rows: number): number {
  return splits * rows * totalRows(shape) * 4;
}

export function matrixCombineWorkgroups({ shape }: MatrixCombineVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, Math.ceil((rows * outputWidth(shape)) / columnsEach(shape) / INVOCATIONS)));
}

/** Statements that finish quad `out` of row `row`, in `v{q}`. */
function quadText({ shape, splits }: MatrixCombineVariant, q: number): string {
  const quads = totalRows(shape) / 4;
  const column = (n: number) => (shape.gated ? `out${q} / 4u * 8u + out${q} % 4u + ${4 * n}u` : `out${q}`);
  const sum = (n: number) => range(splits).map((s) => `partials[(${s}u * step.rows + row) * ${quads}u + c${q}_${n}]`).join(' + ');
  const product = (n: number) => `(${sum(n)}${shape.bias ? ` + bias[c${q}_${n}]` : ''})`;
  const columns = range(shape.gated ? 2 : 1).map((n) => `let c${q}_${n} = ${column(n)};`).join(' ');
  return `let out${q} = first + ${q}u;
  ${columns}
  let v${q} = ${finishedQuad(shape, product, { row: 'row', quad: `out${q}` })};
  ${shape.outputs.f32 ? `y[row * ${outputWidth(shape) / 4}u + out${q}] = v${q};` : ''}`;
}

const bindingsOf = (shape: LinearShape): readonly Binding[] => [
  { name: 'partials', access: 'read', type: 'array<vec4<f32>>' },
  ...inQuads(linearBindings(shape, { step: true, vectorX: true })).filter(({ name }) => END_BINDINGS.has(name)),
];

function textOf(variant: MatrixCombineVariant): string {
  const { shape } = variant;
  const each = columnsEach(shape) / 4;
  const tasks = outputWidth(shape) / columnsEach(shape);
  const block = `yPutBlock(row, task, mat4x4<f32>(${range(4).map((q) => `v${q}`).join(', ')}));`;
  return `${STEP_STRUCT}
${kernelHeader(bindingsOf(shape), {})}
${endFunction(shape, 'vec4<f32>')}
${roundingFunctions(shape)}
@compute @workgroup_size(${INVOCATIONS})
fn main(${MAIN_ARGUMENTS}) {
  let index = ${LINEAR_WORKGROUP} * ${INVOCATIONS}u + lane;
  let row = index / ${tasks}u;
  let task = index % ${tasks}u;
  if (row >= step.rows) { return; }
  let first = task * ${each}u;
  ${range(each).map((q) => quadText(variant, q)).join('\n  ')}
  ${shape.outputs.q8 ? block : ''}
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
