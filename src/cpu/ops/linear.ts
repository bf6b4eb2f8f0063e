import { printClamp } from '../../graph/ops/activation.ts';
import type { ActivationOp } from '../../graph/ops/activation.ts';
import type { LinearOp } from '../../graph/ops/linear.ts';
import type { Dim, WeightRef } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { Addresses, CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuStepOf, CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';
import { GROUP_ROWS } from '../packed-layout.ts';
import { activationCode, writeClamp } from './activation.ts';
import { normRules } from './norm.ts';
import type { NormStepOp } from './norm.ts';
import { quantizeRules } from './quantize.ts';
import type { QuantizeStepOp } from './quantize.ts';

/** One matrix of a step: reads inputs[x], adds inputs[residual] where there is one, writes the output of its own index. */
export interface LinearPart {
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
  readonly x: number;
  readonly residual: number | undefined;
}

/**
 * Products that may make their input in the same step: then its inputs are the first of the step's, its outputs the last of the step's, and
 * `x` of a part counts those.
 */
interface WithInput {
  readonly input?: InputMaker | undefined;
}

export type InputMaker = NormStepOp | QuantizeStepOp;

export interface LinearsStepOp extends WithInput {
  readonly kind: 'linears';
  readonly parts: readonly LinearPart[];
}

/** fn(gate x) * (up x), within the bounds of the activation: floats, and their int8 form where that is wanted. */
export interface GatedStepOp extends Pick<ActivationOp, 'fn' | 'clamp'>, WithInput {
  readonly kind: 'gated';
  readonly gate: LinearPart;
  readonly up: LinearPart;
  /** Makes the int8 form too. */
  readonly quantizes: boolean;
}

type ProductStep = CpuStepOf<LinearsStepOp | GatedStepOp>;

export function partsOf(op: LinearsStepOp | GatedStepOp): readonly LinearPart[] {
  return op.kind === 'linears' ? op.parts : [op.gate, op.up];
}

/** What a step of products makes for itself to read. */
export function ownInputs({ op, outputs }: ProductStep): readonly CpuValue[] {
  if (op.input === undefined) return [];
  return outputs.slice(op.kind === 'linears' ? op.parts.length : 1 + Number(op.quantizes));
}

/** Bytes of weights that make a work item worth taking. */
const LEAST_CHUNK_BYTES = 32768;
/** Bytes that come from memory at its full speed, each thread's one after another, and the most of one item. */
const LONG_CHUNK_BYTES = 131072;
const MOST_CHUNK_BYTES = 1048576;
/** Most weight rows of a work item where they meet several activation rows: long too, for those that meet few. */
const MANY_ROWS_CHUNK = 256;

/** Weight rows of a work item, where they meet one activation row and where they meet several. */
export interface Chunk {
  readonly one: number;
  readonly many: number;
}

/** Weight rows come in groups of packed rows, and so many that a work item's results are whole blocks of int8 activations. */
const UNIT_ROWS = Math.max(GROUP_ROWS, 32);

/**
 * Bytes of an item, given a thread's share of a matrix: many items keep threads balanced; two long ones a thread bring a matrix that caches
 * do not hold faster from memory (docs/experiments.md).
 */
function chunkBytes(share: number): number {
  return share / 2 < LONG_CHUNK_BYTES ? Math.max(LEAST_CHUNK_BYTES, share / 8) : Math.min(share / 2, MOST_CHUNK_BYTES);
}

/**
 * Weight rows of one work item, in whole units. Matrices are split evenly: one item more for one thread than for another is a wait for all.
 */
export function chunkRows(weightRows: number, rowBytes: number, threads: number): Chunk {
  const units = (count: number) => Math.max(UNIT_ROWS, Math.ceil(count / UNIT_ROWS) * UNIT_ROWS);
  const share = (weightRows * rowBytes) / threads;
  const itemsPerThread = Math.max(1, Math.round(share / chunkBytes(share)));
  const one = units(weightRows / (threads * itemsPerThread));
  const many = units(Math.min(MANY_ROWS_CHUNK, Math.max(16, weightRows / (threads * 4))));
  return { one, many };
}

interface LinearAt {
  readonly part: LinearPart;
  readonly step: ProductStep;
  readonly output: CpuValue | undefined;
}

function writeLinear(out: RecordWriter, { part, step, output }: LinearAt, at: Addresses): void {
  const { weight, bias } = part;
  const residual = part.residual === undefined ? undefined : step.inputs[part.residual];
  const chunk = chunkRows(weight.shape[0] as number, at.matrix(weight.id).rowBytes, at.threads);
  const x = (step.op.input === undefined ? step.inputs : ownInputs(step))[part.x];
  writeMatrix(out, { weight, bias, x, output, residual, chunk }, at);
}

interface MatrixRecord {
  /** [out, in]; of experts [experts, out, in], and the record is the first one's. */
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
  readonly x: CpuValue | undefined;
  readonly output: CpuValue | undefined;
  readonly residual: CpuValue | undefined;
  readonly chunk: Chunk;
}

/** Writes a `LinearRecord`. */
export function writeMatrix(out: RecordWriter, { weight, bias, x, output, residual, chunk }: MatrixRecord, at: Addresses): void {
  const { typeCode, address, matrixBytes, rowBytes } = at.matrix(weight.id);
  const [weightRows, cols] = weight.shape.slice(-2) as [number, number];
  out.ints(typeCode, address, matrixBytes, rowBytes, weightRows, cols);
  out.ints(...rowsAt(at, x), ...rowsAt(at, output), vectorAt(at, bias));
  out.ints(...rowsAt(at, residual), chunk.one, chunk.many);
}

/** A step's word on what makes its input. */
function inputCode({ input }: WithInput): number {
  return input === undefined ? 0 : input.kind === 'norm' ? 1 : 2;
}

/** The record of what makes a step's input, behind its products. */
function writeInput(out: RecordWriter, step: ProductStep, at: Addresses): void {
  const { op: { input }, inputs, label } = step;
  if (input === undefined) return;
  const outputs = ownInputs(step);
  out.ints(0, 0, at.dim(outputs[0]?.shape[0] as Dim));
  if (input.kind === 'norm') normRules.write(out, { op: input, inputs, outputs, label }, at);
  else quantizeRules.write(out, { op: input, inputs, outputs, label }, at);
}

function describeInput({ input }: WithInput, typeOf: TypeOf): string {
  if (input === undefined) return '';
  return input.kind === 'norm' ? `(norm ${normRules.describe(input, typeOf)}) ` : '(quantize) ';
}

function describePart({ weight, bias, residual }: LinearPart, typeOf: TypeOf): string {
  return `${shownWeight(weight, typeOf)}${bias ? ' +bias' : ''}${residual === undefined ? '' : ' +residual'}`;
}

export const linearsRules: CpuOpRules<LinearsStepOp> = {
  code: 8,
  describe: (op, typeOf) => describeInput(op, typeOf) + op.parts.map((part) => describePart(part, typeOf)).join(' | '),
  write(out, step, at) {
    out.ints(inputCode(step.op), step.op.parts.length);
    step.op.parts.forEach((part, i) => writeLinear(out, { part, step, output: step.outputs[i] }, at));
    writeInput(out, step, at);
  },
};

export const gatedRules: CpuOpRules<GatedStepOp> = {
  code: 9,
  describe({ fn, clamp, ...op }, typeOf) {
    const parts = [op.gate, op.up].map((part) => describePart(part, typeOf)).join(' | ');
    return `${fn}${printClamp(clamp)} ${describeInput(op, typeOf)}${parts}`;
  },
  write(out, step, at) {
    const { fn, clamp, gate, up, quantizes } = step.op;
    out.ints(inputCode(step.op), ...rowsAt(at, quantizes ? step.outputs[1] : undefined), activationCode(fn));
    writeClamp(out, clamp);
    writeLinear(out, { part: gate, step, output: step.outputs[0] }, at);
    writeLinear(out, { part: up, step, output: undefined }, at);
    writeInput(out, step, at);
  },
};

export const lowerLinear: Lower<LinearOp, LinearsStepOp> = ({ op: { weight, bias }, inputs }, { inputFor }) => ({
  op: { kind: 'linears', parts: [{ weight, bias, x: 0, residual: undefined }] },
  inputs: [inputFor(weight, inputs[0] as CpuValue)],
});
