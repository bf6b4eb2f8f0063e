/** A product of each row with the matrices of its experts. */
import { printClamp } from '../../graph/ops/activation.ts';
import type { ExpertLinearOp as GraphExpertLinearOp } from '../../graph/ops/expert-linear.ts';
import type { WeightRef } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { heldExperts, matrixRows } from '../linear-shape.ts';
import type { ExpertPiece, ExpertsShape, LinearShape } from '../linear-shape.ts';
import { layOutMatrix, packedFormatOf, planesOf } from '../packed-layout.ts';
import { describeNorm, describeRounding } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, Lower, UseOptions } from '../plan/gpu-op-rules.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts, KernelUse, RowClass } from '../plan/kernel-use.ts';
import { expertMatrices, gainOf } from '../plan/planned-weights.ts';
import type { MatrixChoices, PlannedMatrix, PlannedVector } from '../plan/planned-weights.ts';
import { floatsRef, outputRefs, roundedRefs, sizeOfValue, vectorRef } from '../plan/value-refs.ts';
import { expertLinearCuts } from './expert-linear-cuts.ts';
import { plainExpertProduct } from './expert-linear-op.ts';
import type { ExpertLinearOp, MatricesOfExperts } from './expert-linear-op.ts';
import { expertForms, onlyFor, usedOf } from './expert-lists.ts';
import type { LinearPart } from './linear-op.ts';
import { gemmProducts, gemvProduct } from './linear-kernels.ts';
import { productUses } from './product-uses.ts';

type ExpertStep = GpuStepOf<ExpertLinearOp>;

/** Of all experts. */
function allMatrices({ parts, shared, gated }: ExpertLinearOp, choices: MatrixChoices): readonly PlannedMatrix[] {
  const [routed, last] = [parts, shared].map((all) => all.map(({ weight }) => weight)) as [WeightRef[], WeightRef[]];
  return expertMatrices({ routed, shared: last }, gated ? 'interleaved' : 'rows', choices);
}

function matricesOf(op: ExpertLinearOp, choices: MatrixChoices): readonly PlannedMatrix[] {
  return allMatrices(op, choices).slice(op.piece?.from, op.piece?.to);
}

/** Experts that the matrices of the op hold, of all; undefined where it has them all. */
function pieceOf(op: ExpertLinearOp, choices: MatrixChoices): ExpertPiece | undefined {
  if (op.piece === undefined) return undefined;
  const { from, to, before } = op.piece;
  const all = allMatrices(op, choices);
  const rowsOf = (matrices: readonly PlannedMatrix[]) => matrices.reduce((sum, { rows }) => sum + rows, 0);
  const each = rowsOf(all) / countOf(op);
  return { first: rowsOf(all.slice(0, from)) / each, count: rowsOf(all.slice(from, to)) / each, before };
}

/** Experts, the one that all rows go to among them. */
function countOf({ parts: [first], shared }: ExpertLinearOp): number {
  return ((first as LinearPart).weight.shape[0] as number) + (shared.length > 0 ? 1 : 0);
}

/** [experts, out] of a weight. */
const biasLength = ({ shape }: WeightRef) => elementsOf(shape.slice(0, 2));

function biasOf({ parts, gated }: ExpertLinearOp): PlannedVector | undefined {
  if (parts.every(({ bias }) => bias === undefined)) return undefined;
  return {
    key: parts.map(({ bias, weight }) => bias?.id ?? `0*${biasLength(weight)}`).join('*'),
    parts: parts.map(({ bias, weight }) => ({ weight: bias, length: biasLength(weight) })),
    arrangement: gated ? 'interleaved' : 'rows',
  };
}

function shapeOf({ op, inputs, outputs }: ExpertStep, choices: MatrixChoices): LinearShape {
  const [x, routes] = inputs as readonly [GpuValue, GpuValue];
  const [{ weight }] = op.parts as readonly [LinearPart];
  const piece = pieceOf(op, choices);
  return {
    cols: weight.shape[2] as number,
    parts: matricesOf(op, choices).map(({ type, rows }) => ({ type, rows })),
    input: x.dtype as LinearShape['input'],
    norm: op.norm && { eps: op.norm.eps },
    bias: op.parts.some(({ bias }) => bias !== undefined),
    gated: op.gated,
    ...(op.clamp && { clamp: op.clamp }),
    residual: op.residual,
    outputs: {
      f32: outputs.some(({ dtype }) => dtype === 'f32'),
      q8: op.rounding && { norm: op.rounding.norm && { eps: op.rounding.norm.eps } },
    },
    experts: { count: countOf(op), used: usedOf(routes), each: op.each, summed: op.summed, ...(piece && { piece }) },
  };
}

function buffersOf({ op, inputs, outputs }: ExpertStep, choices: MatrixChoices): Record<string, BufferRef> {
  const [x, routes, added] = inputs as readonly [GpuValue, GpuValue, GpuValue | undefined];
  const buffers: Record<string, BufferRef> = x.dtype === 'f32' ? { x: floatsRef(x) } : roundedRefs('x', x);
  matricesOf(op, choices).forEach(({ key, type, cols }, n) => {
    for (const { name } of planesOf(packedFormatOf(type), cols)) buffers[`p${n}_${name}`] = { kind: 'plane', matrix: key, plane: name };
  });
  const bias = biasOf(op);
  buffers[routes.dtype === 'i32' ? 'lists' : 'routes'] = floatsRef(routes);
  if (op.norm) buffers['gain'] = vectorRef(op.norm.weight.id);
  if (bias) buffers['bias'] = vectorRef(bias.key);
  if (added) buffers[op.residual ? 'residual' : 'before'] = floatsRef(added);
  if (op.rounding?.norm) buffers['yGain'] = vectorRef(op.rounding.norm.weight.id);
  return { ...buffers, ...outputRefs(outputs), step: { kind: 'size', dim: outerOf(x) } };
}

function expertUses(step: ExpertStep, rows: RowClass, options: UseOptions): readonly KernelUse[] {
  const shape = shapeOf(step, options);
  const [x, routes] = step.inputs as readonly [GpuValue, GpuValue];
  const buffers = buffersOf(step, options);
  const cost = costOf(step, shape, options);
  const rowsOf = ({ sizes }: GridCounts) => (options.single ? 1 : rowsOfValue(x, sizes));
  const work = { buffers, cost, rowsOf };
  if (routes.dtype !== 'i32') return productUses([gemvProduct(shape, 1, options)], work);
  const { count, used } = shape.experts as ExpertsShape;
  return expertForms(rows, { ...options, count, used }).flatMap(({ kernel, tileRows, isFor }) => {
    const products = kernel === 'gemm' ? gemmProducts(shape, options, tileRows) : [gemvProduct(shape, tileRows as 4 | 8, options)];
    return productUses(products, work).map((use) => onlyFor(use, (counts) => isFor(rowsOf(counts))));
  });
}

/** The weights of the experts that rows choose if all choose others, once each. */
function costOf(step: ExpertStep, shape: LinearShape, choices: MatrixChoices): KernelUse['cost'] {
  const { count, used } = shape.experts as ExpertsShape;
  const matrices = matricesOf(step.op, choices);
  const weightBytes = matrices.reduce((sum, { type, rows, cols }) => sum + layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes, 0);
  return (counts) => {
    const all = used * rowsOfValue(step.inputs[0] as GpuValue, counts.sizes);
    const pairs = (all * heldExperts(shape)) / count;
    const values = [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0);
    return {
      bytes: Math.ceil((weightBytes * Math.min(all, count)) / count) + values,
      multiplyAdds: pairs * matrixRows(shape) * shape.cols,
    };
  };
}

function describePiece(piece: MatricesOfExperts | undefined): string {
  return piece === undefined ? '' : ` in pieces ${piece.from}..${piece.to}${piece.before ? ' +before' : ''}`;
}

export const expertLinearRules: GpuOpRules<ExpertLinearOp> = {
  describe({ parts, shared, gated, clamp, each, summed, residual, norm, rounding, piece }, typeOf) {
    const shown = parts.map(({ weight, bias }) => `${shownWeight(weight, typeOf)}${bias ? ' +bias' : ''}`);
    const last = shared.length === 0 ? '' : ` and ${shared.map(({ weight }) => shownWeight(weight, typeOf)).join(' * ')}`;
    const gate = gated ? ` ${gated}${printClamp(clamp)}` : '';
    const end = `${each ? ' each' : ''}${gate}${summed ? ' summed' : ''}${residual ? ' +residual' : ''}${describePiece(piece)}`;
    return `${shown.join(' * ')}${last}${end}${describeNorm('norm', norm)}${describeRounding(rounding)}`;
  },
  matrices: matricesOf,
  vectors: (op) => [biasOf(op), op.norm && gainOf(op.norm), op.rounding?.norm && gainOf(op.rounding.norm)],
  form: 'rows',
  uses: (step, { rows }, options) => expertUses(step, rows, options),
  // Products of floats write floats; a norm is of whole rows.
  rounded: (op, rounding, [x]) => (x?.dtype !== 'f32' && (op.summed || rounding.norm === undefined) ? { ...op, rounding } : undefined),
  cuts: (step, context) => expertLinearCuts(step, { ...context, pieces: allMatrices(step.op, context.choices).length }),
};

export const lowerExpertLinear: Lower<GraphExpertLinearOp, ExpertLinearOp> = ({ op: { weight, bias, each }, inputs }, lowering) => {
  const [x, routes] = inputs as readonly [GpuValue, GpuValue];
  return {
    op: plainExpertProduct([{ weight, bias }], each),
    inputs: [lowering.inputFor(weight, x), lowering.routesFor(routes, weight.shape[0] as number)],
  };
};
