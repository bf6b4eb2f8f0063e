import { printClamp } from '../../graph/ops/activation.ts';
import type { ActivationOp } from '../../graph/ops/activation.ts';
import type { LinearOp } from '../../graph/ops/linear.ts';
import type { WeightRef } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { Addresses, CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuStepOf, CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';
import { GROUP_ROWS } from '../packed-layout.ts';
import { activationCode, writeClamp } from './activation.ts';

/** One matrix of a step: reads inputs[x], adds inputs[residual] where there is one, writes the output of its own index. */
export interface LinearPart {
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
  readonly x: number;
  readonly residual: number | undefined;
}

export interface LinearsStepOp {
  readonly kind: 'linears';
  readonly parts: readonly LinearPart[];
}

/** fn(gate x) * (up x), within the bounds of the activation. */
export interface GatedStepOp extends Pick<ActivationOp, 'fn' | 'clamp'> {
  readonly kind: 'gated';
  readonly gate: LinearPart;
  readonly up: LinearPart;
}

/** Bytes of weights that make a work item worth taking. */
const LEAST_CHUNK_BYTES = 32768;
/** Weight rows of a work item where they meet several activation rows. */
const MANY_ROWS_CHUNK = 64;

/** Weight rows of a work item, where they meet one activation row and where they meet several. */
export interface Chunk {
  readonly one: number;
  readonly many: number;
}

/**
 * Weight rows of one work item, in whole groups of packed rows: many items keep threads balanced, large ones the counter cool and, of float
 * weights, a call's four streams long.
 * Small matrices are split evenly: one item more for one thread than for another is a wait for all.
 */
export function chunkRows(weightRows: number, rowBytes: number, threads: number): Chunk {
  const groups = (count: number) => Math.max(GROUP_ROWS, Math.ceil(count / GROUP_ROWS) * GROUP_ROWS);
  const wanted = Math.max(LEAST_CHUNK_BYTES / rowBytes, weightRows / (threads * 8));
  const itemsPerThread = Math.max(1, Math.round(weightRows / wanted / threads));
  const one = groups(weightRows / (threads * itemsPerThread));
  const many = groups(Math.min(MANY_ROWS_CHUNK, Math.max(16, weightRows / (threads * 4))));
  return { one, many };
}

interface LinearAt {
  readonly part: LinearPart;
  readonly step: CpuStepOf<LinearsStepOp | GatedStepOp>;
  readonly output: CpuValue | undefined;
}

function writeLinear(out: RecordWriter, { part, step, output }: LinearAt, at: Addresses): void {
  const { weight, bias } = part;
  const residual = part.residual === undefined ? undefined : step.inputs[part.residual];
  const chunk = chunkRows(weight.shape[0] as number, at.matrix(weight.id).rowBytes, at.threads);
  writeMatrix(out, { weight, bias, x: step.inputs[part.x], output, residual, chunk }, at);
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

function describePart({ weight, bias, residual }: LinearPart, typeOf: TypeOf): string {
  return `${shownWeight(weight, typeOf)}${bias ? ' +bias' : ''}${residual === undefined ? '' : ' +residual'}`;
}

export const linearsRules: CpuOpRules<LinearsStepOp> = {
  code: 8,
  describe: ({ parts }, typeOf) => parts.map((part) => describePart(part, typeOf)).join(' | '),
  write(out, step, at) {
    out.ints(step.op.parts.length);
    step.op.parts.forEach((part, i) => writeLinear(out, { part, step, output: step.outputs[i] }, at));
  },
};

export const gatedRules: CpuOpRules<GatedStepOp> = {
  code: 9,
  describe: ({ fn, clamp, gate, up }, typeOf) => `${fn}${printClamp(clamp)} ${describePart(gate, typeOf)} | ${describePart(up, typeOf)}`,
  write(out, step, at) {
    const { fn, clamp, gate, up } = step.op;
    out.ints(activationCode(fn));
    writeClamp(out, clamp);
    writeLinear(out, { part: gate, step, output: step.outputs[0] }, at);
    writeLinear(out, { part: up, step, output: undefined }, at);
  },
};

export const lowerLinear: Lower<LinearOp, LinearsStepOp> = ({ op: { weight, bias }, inputs }, { inputFor }) => ({
  op: { kind: 'linears', parts: [{ weight, bias, x: 0, residual: undefined }] },
  inputs: [inputFor(weight, inputs[0] as CpuValue)],
});
