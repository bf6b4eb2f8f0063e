/** Writes the steps of a plan as the records that the threads interpret (`assembly/step-records.ts` has their fields). */
import type { Plan } from '../graph/plan.ts';
import type { Value, WeightRef } from '../graph/value.ts';
import { OP_CODES } from './cpu-op.ts';
import type { AttentionStepOp, CpuOp, CpuStep, HeadPreparation, LinearPart, NormStepOp, RotateStepOp } from './cpu-op.ts';
import type { PageLayout } from './kv-pages.ts';
import { createRecordWriter } from './record-writer.ts';
import type { RecordWriter } from './record-writer.ts';

export interface RowsAt {
  readonly address: number;
  /** Bytes from row to row. */
  readonly stride: number;
}

export interface MatrixAt {
  readonly address: number;
  readonly typeCode: number;
  readonly rowBytes: number;
}

/** Where everything lies that records name. */
export interface Addresses {
  rowsOf(value: Value): RowsAt;
  matrix(id: string): MatrixAt;
  /** A gain or a bias as f32. */
  vector(id: string): number;
  ropeTable(id: string): number;
  readonly partials: number;
  readonly pages: PageLayout;
  readonly threads: number;
}

type Write = (out: RecordWriter, step: CpuStep, at: Addresses) => void;

/** Bytes of weights that make a work item worth taking. */
const LEAST_CHUNK_BYTES = 32768;
/** Weight rows of a work item where they meet several activation rows. */
const MANY_ROWS_CHUNK = 64;

/**
 * Weight rows of one work item: many items keep threads balanced, large ones the counter cool and a call's four streams long.
 * Small matrices are split evenly: one item more for one thread than for another is a wait for all.
 */
export function chunkRows(weightRows: number, rowBytes: number, threads: number): { readonly one: number; readonly many: number } {
  const fours = (count: number) => Math.max(4, Math.ceil(count / 4) * 4);
  const wanted = Math.max(LEAST_CHUNK_BYTES / rowBytes, weightRows / (threads * 8));
  const itemsPerThread = Math.max(1, Math.round(weightRows / wanted / threads));
  const one = fours(weightRows / (threads * itemsPerThread));
  const many = fours(Math.min(MANY_ROWS_CHUNK, Math.max(16, weightRows / (threads * 4))));
  return { one, many };
}

export function writeProgram(plan: Plan<CpuOp>, at: Addresses): Uint32Array {
  const out = createRecordWriter();
  for (const step of plan.steps) {
    const begin = out.length;
    out.ints(OP_CODES[step.op.kind], 0, step.outputs[0]?.shape[0] === 'outRows' ? 1 : 0);
    WRITERS[step.op.kind](out, step, at);
    out.patch(begin + 1, (out.length - begin) * 4);
  }
  return out.toWords();
}

function rows(at: Addresses, value: Value | undefined): readonly [number, number] {
  if (value === undefined) return [0, 0];
  const { address, stride } = at.rowsOf(value);
  return [address, stride];
}

function width(value: Value | undefined): number {
  return value?.shape[1] as number;
}

function writeEmbed(out: RecordWriter, step: CpuStep, at: Addresses): void {
  const { weight } = step.op as { readonly weight: WeightRef };
  const { typeCode, address, rowBytes } = at.matrix(weight.id);
  out.ints(typeCode, address, rowBytes, weight.shape[1] as number, ...rows(at, step.outputs[0]));
}

function writeNorm(out: RecordWriter, { op, inputs, outputs }: CpuStep, at: Addresses): void {
  const { gather, weight, eps, groups } = op as NormStepOp;
  out.ints(gather ? 1 : 0, ...rows(at, inputs[0]), at.vector(weight.id));
  out.float(eps);
  out.ints(groups, width(inputs[0]) / groups);
  out.ints(...rows(at, outputs.find(({ dtype }) => dtype === 'f32')));
  out.ints(...rows(at, outputs.find(({ dtype }) => dtype === 'q8')));
}

/** quantise and gather (one input), swiglu and add (two). */
function writeRows(out: RecordWriter, { inputs, outputs }: CpuStep, at: Addresses): void {
  const second = inputs[1]?.dtype === 'f32' ? inputs[1] : undefined;
  out.ints(...rows(at, inputs[0]), ...rows(at, second), ...rows(at, outputs[0]), width(outputs[0]));
}

function writeRotate(out: RecordWriter, { op, inputs, outputs }: CpuStep, at: Addresses): void {
  const { heads, headDim } = op as RotateStepOp;
  out.ints(...rows(at, inputs[0]), ...rows(at, outputs[0]), heads, headDim);
  writePreparation(out, op as RotateStepOp, at);
}

function writePreparation(out: RecordWriter, { norm, table }: HeadPreparation, at: Addresses): void {
  out.ints(norm ? at.vector(norm.weight.id) : 0);
  out.float(norm?.eps ?? 0);
  out.ints(table ? at.ropeTable(table.id) : 0, table?.frequencies.length ?? 0);
}

interface LinearAt {
  readonly part: LinearPart;
  readonly step: CpuStep;
  readonly output: Value | undefined;
}

function writeLinear(out: RecordWriter, { part, step, output }: LinearAt, at: Addresses): void {
  const { typeCode, address, rowBytes } = at.matrix(part.weight.id);
  const [weightRows, cols] = part.weight.shape as readonly [number, number];
  const chunk = chunkRows(weightRows, rowBytes, at.threads);
  out.ints(typeCode, address, rowBytes, weightRows, cols);
  out.ints(...rows(at, step.inputs[part.x]), ...rows(at, output), part.bias ? at.vector(part.bias.id) : 0);
  out.ints(...rows(at, part.residual === undefined ? undefined : step.inputs[part.residual]), chunk.one, chunk.many);
}

function writeLinears(out: RecordWriter, step: CpuStep, at: Addresses): void {
  const { parts } = step.op as { readonly parts: readonly LinearPart[] };
  out.ints(parts.length);
  parts.forEach((part, i) => writeLinear(out, { part, step, output: step.outputs[i] }, at));
}

function writeGated(out: RecordWriter, step: CpuStep, at: Addresses): void {
  const { gate, up } = step.op as { readonly gate: LinearPart; readonly up: LinearPart };
  writeLinear(out, { part: gate, step, output: step.outputs[0] }, at);
  writeLinear(out, { part: up, step, output: undefined }, at);
}

function writeAttention(out: RecordWriter, { op, inputs, outputs }: CpuStep, at: Addresses): void {
  const { heads, kvHeads, headDim, scale, state, q, k } = op as AttentionStepOp;
  const layout = at.pages.states[state.index];
  if (layout === undefined) throw new Error(`CPU plan: attention uses state kv.${state.index}, which the graph does not declare`);
  out.ints(heads, kvHeads, headDim, layout.width);
  out.float(scale);
  out.ints(at.pages.isHalf ? 1 : 0, at.pages.pageTokens, layout.stateOffset, layout.valueOffset);
  out.ints(...rows(at, inputs[0]), ...rows(at, inputs[1]), ...rows(at, inputs[2]), ...rows(at, outputs[0]), at.partials);
  writePreparation(out, q, at);
  writePreparation(out, k, at);
}

const WRITERS: Readonly<Record<CpuOp['kind'], Write>> = {
  embed: writeEmbed,
  norm: writeNorm,
  quantize: writeRows,
  gather: writeRows,
  swiglu: writeRows,
  add: writeRows,
  rotate: writeRotate,
  linears: writeLinears,
  gated: writeGated,
  attention: writeAttention,
};
