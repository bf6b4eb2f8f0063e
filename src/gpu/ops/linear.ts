/** A product with one matrix, or with several one after another. */
import type { LinearOp as GraphLinearOp } from '../../graph/ops/linear.ts';
import { widthOf } from '../../graph/value.ts';
import type { WeightRef } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { storageBuffersOf } from '../kernel.ts';
import { linearBindings, totalRows } from '../linear-shape.ts';
import type { LinearActivation, LinearShape, LinearSum } from '../linear-shape.ts';
import { layOutMatrix, packedFormatOf, planesOf } from '../packed-layout.ts';
import { describeNorm, describeRounding } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, Lower, UseOptions } from '../plan/gpu-op-rules.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts, KernelUse, RowClass } from '../plan/kernel-use.ts';
import { boundTogether, gainOf, matricesFor, matrixOf } from '../plan/planned-weights.ts';
import type { MatrixChoices, PlannedMatrix, PlannedVector } from '../plan/planned-weights.ts';
import { floatsRef, outputRefs, roundedRefs, sizeOfValue, vectorRef } from '../plan/value-refs.ts';
import { describeSum, factorOf, vectorsOfSum } from './add-norm.ts';
import { linearCuts } from './linear-cuts.ts';
import { productKernels } from './linear-kernels.ts';
import { productUses } from './product-uses.ts';
import { plainProduct } from './linear-op.ts';
import type { LinearOp, SumBefore } from './linear-op.ts';

type LinearStep = GpuStepOf<LinearOp>;

/** Most storage buffers that a head binds beside its matrices: codes and statistics of x, or x and a gain, and the result. */
const HEAD_BUFFERS = 3;

/** Whether a product's rows may be divided among dispatches, each of which writes columns of its own of the result. */
function isDivisible({ parts, gated, residual, activation, rounding }: LinearOp): boolean {
  return !gated && !residual && !rounding && !activation?.times && parts.every(({ bias }) => bias === undefined);
}

function planeCount([matrix]: readonly PlannedMatrix[]): number {
  const { type, cols } = matrix as PlannedMatrix;
  return planesOf(packedFormatOf(type), cols).length;
}

/**
 * A head that is larger than a binding as several parts. Where a kernel cannot bind them all, several dispatches do; where the product
 * has an end that these have no form for, loading refuses the one matrix.
 */
function headMatrices(op: LinearOp, choices: MatrixChoices): readonly PlannedMatrix[] {
  const weights = op.parts.map(({ weight }) => weight);
  const pieces = matricesFor(weights, choices);
  const isBound = pieces.length * planeCount(pieces) + HEAD_BUFFERS <= choices.profile.storageBuffers;
  return isBound || isDivisible(op) ? pieces : [matrixOf(weights, 'rows', choices.typeOf)];
}

/** The matrices of a product, in the order of its rows: neighbours of one type share one, and one that is too large is several. */
function matricesOf(op: LinearOp, choices: MatrixChoices): readonly PlannedMatrix[] {
  const { parts, gated } = op;
  const { typeOf } = choices;
  if (gated) return [matrixOf(parts.map(({ weight }) => weight), 'interleaved', typeOf)];
  const runs: WeightRef[][] = [];
  for (const { weight } of parts) {
    const run = runs.at(-1);
    if (run !== undefined && typeOf((run[0] as WeightRef).id) === typeOf(weight.id)) run.push(weight);
    else runs.push([weight]);
  }
  return runs.length === 1 ? headMatrices(op, choices) : runs.map((run) => matrixOf(run, 'rows', typeOf));
}

/** The bias over all rows of a product; undefined where no part has one. */
function biasOf({ parts, gated }: Pick<LinearOp, 'parts' | 'gated'>): PlannedVector | undefined {
  if (parts.every(({ bias }) => bias === undefined)) return undefined;
  return {
    key: parts.map(({ bias, weight }) => bias?.id ?? `0*${weight.shape[0]}`).join(gated ? '*' : '|'),
    parts: parts.map(({ bias, weight }) => ({ weight: bias, length: weight.shape[0] as number })),
    arrangement: gated ? 'interleaved' : 'rows',
  };
}

/** The product's own results. */
function resultsOf({ op, outputs }: LinearStep): readonly GpuValue[] {
  return op.sum?.isKept ? outputs.slice(0, -1) : outputs;
}

function inputOf({ op: { sum }, inputs: [x] }: LinearStep): LinearShape['input'] {
  if (sum === undefined) return (x as GpuValue).dtype as LinearShape['input'];
  return sum.rounding === undefined ? 'f32' : sum.rounding.norm === undefined ? 'q8' : 'q8n';
}

function sumShapeOf(sum: SumBefore): LinearSum {
  const next = sum.rounding?.norm;
  return { eps: sum.norm.eps, by: factorOf(sum), next: next && { eps: next.eps }, isKept: sum.isKept };
}

function shapeOf(step: LinearStep, matrices: readonly PlannedMatrix[]): LinearShape {
  const { op, inputs } = step;
  const x = inputs[0] as GpuValue;
  const outputs = resultsOf(step);
  return {
    cols: x.shape[1] as number,
    parts: matrices.map(({ type, rows }) => ({ type, rows })),
    input: inputOf(step),
    ...(op.sum && { sum: sumShapeOf(op.sum) }),
    norm: op.norm && { eps: op.norm.eps },
    bias: op.parts.some(({ bias }) => bias !== undefined),
    gated: op.gated,
    residual: op.residual,
    activation: op.activation,
    outputs: {
      f32: outputs.some(({ dtype }) => dtype === 'f32'),
      q8: op.rounding && { norm: op.rounding.norm && { eps: op.rounding.norm.eps } },
    },
  };
}

/** x as a product reads it, or what it makes x of. */
function inputRefs({ op: { sum }, inputs: [x, base], outputs }: LinearStep): Record<string, BufferRef> {
  const input = x as GpuValue;
  if (sum === undefined) return input.dtype === 'f32' ? { x: floatsRef(input) } : roundedRefs('x', input);
  const next = sum.rounding?.norm;
  return {
    branch: floatsRef(input), base: floatsRef(base as GpuValue), branchGain: vectorRef(sum.norm.weight.id),
    ...(typeof sum.by === 'object' && { factor: vectorRef(sum.by.id) }),
    ...(next && { xGain: vectorRef(next.weight.id) }),
    ...(sum.isKept && { sum: floatsRef(outputs.at(-1) as GpuValue) }),
  };
}

function buffersOf(step: LinearStep, matrices: readonly PlannedMatrix[]): Record<string, BufferRef> {
  const { op, inputs } = step;
  const x = inputs[0] as GpuValue;
  const second = inputs[op.sum ? 2 : 1];
  const buffers = inputRefs(step);
  matrices.forEach(({ key, type, cols }, n) => {
    for (const { name } of planesOf(packedFormatOf(type), cols)) buffers[`p${n}_${name}`] = { kind: 'plane', matrix: key, plane: name };
  });
  const bias = biasOf(op);
  if (op.norm) buffers['gain'] = vectorRef(op.norm.weight.id);
  if (bias) buffers['bias'] = vectorRef(bias.key);
  if (second) buffers[op.residual ? 'residual' : 'times'] = floatsRef(second);
  Object.assign(buffers, outputRefs(resultsOf(step)));
  if (op.rounding?.norm) buffers['yGain'] = vectorRef(op.rounding.norm.weight.id);
  buffers['step'] = { kind: 'size', dim: outerOf(x) };
  return buffers;
}

/** The matrices by the dispatches that read them: all in one, or pieces of one matrix, as many as a kernel can bind. */
function dispatchesOf(step: LinearStep, { profile, ...choices }: UseOptions): readonly (readonly PlannedMatrix[])[] {
  const matrices = matricesOf(step.op, { profile, ...choices });
  const isWhole = matrices.every(({ firstRow }) => firstRow === undefined);
  if (isWhole || !isDivisible(step.op)) return [matrices];
  const others = storageBuffersOf({ bindings: linearBindings(shapeOf(step, []), { step: false }) });
  return boundTogether(matrices, planeCount(matrices), profile.storageBuffers - others);
}

function linearUses(step: LinearStep, rows: RowClass, options: UseOptions): readonly KernelUse[] {
  if (step.op.sum && !options.single) throw new Error(`gpu plan: ${step.label} makes its sum for one row only`);
  const rowsOf = ({ sizes }: GridCounts) => (options.single ? 1 : rowsOfValue(step.inputs[0] as GpuValue, sizes));
  const dispatches = dispatchesOf(step, options);
  return dispatches.flatMap((matrices, n) => {
    const whole = shapeOf(step, matrices);
    const within = { start: matrices[0]?.firstRow ?? 0, of: widthOf(step.outputs[0] as GpuValue) };
    const shape = dispatches.length === 1 ? whole : { ...whole, within };
    const cost = linearCost(step, shape, { matrices, hasValues: n === 0 });
    return productUses(productKernels(shape, rows, options), { buffers: buffersOf(step, matrices), cost, rowsOf });
  });
}

interface CostParts {
  readonly matrices: readonly PlannedMatrix[];
  /** Whether x and the result are counted: once for all dispatches of a product. */
  readonly hasValues: boolean;
}

function linearCost(step: LinearStep, shape: LinearShape, { matrices, hasValues }: CostParts): KernelUse['cost'] {
  const weightBytes = matrices.reduce((sum, { type, rows, cols }) => sum + layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes, 0);
  const products = totalRows(shape) * shape.cols;
  return (counts) => {
    const rows = rowsOfValue(step.inputs[0] as GpuValue, counts.sizes);
    const values = (hasValues ? [...step.inputs, ...step.outputs] : []).reduce((sum, value) => sum + sizeOfValue(value, counts), 0);
    return { bytes: weightBytes + values + (shape.bias ? 4 * totalRows(shape) : 0), multiplyAdds: products * rows };
  };
}

function describeActivation({ fn, times }: LinearActivation): string {
  return ` ${fn}${times ? ` * ${times.start}..` : ''}`;
}

export const linearRules: GpuOpRules<LinearOp> = {
  describe({ parts, sum, gated, residual, activation, norm, rounding }, typeOf) {
    const shown = parts.map(({ weight, bias }) => `${shownWeight(weight, typeOf)}${bias ? ' +bias' : ''}`);
    const epilogue = `${gated ? ` ${gated}` : ''}${residual ? ' +residual' : ''}${activation ? describeActivation(activation) : ''}`;
    const before = sum ? ` of (${describeSum(sum)})` : '';
    return `${shown.join(gated ? ' * ' : ' | ')}${before}${epilogue}${describeNorm('norm', norm)}${describeRounding(rounding)}`;
  },
  matrices: matricesOf,
  vectors: (op) => [
    biasOf(op), op.norm && gainOf(op.norm), op.rounding?.norm && gainOf(op.rounding.norm), ...(op.sum ? vectorsOfSum(op.sum) : []),
  ],
  form: 'rows',
  isOfOneRow: ({ sum }) => sum !== undefined,
  uses: (step, { rows }, options) => linearUses(step, rows, options),
  // Products of floats write floats.
  rounded: (op, rounding, [x]) => (x?.dtype !== 'f32' && (op.parts.length === 1 || op.gated) ? { ...op, rounding } : undefined),
  cuts: linearCuts,
};

export const lowerLinear: Lower<GraphLinearOp, LinearOp> = ({ op: { weight, bias }, inputs }, { inputFor }) => ({
  op: plainProduct([{ weight, bias }]),
  inputs: [inputFor(weight, inputs[0] as GpuValue)],
});
