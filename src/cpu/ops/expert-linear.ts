/** Products with matrices of experts: alone, as a gated unit, or with the weighted sum of what a row's experts make. */
import type { ActivationOp } from '../../graph/ops/activation.ts';
import { printClamp } from '../../graph/ops/activation.ts';
import type { ExpertLinearOp } from '../../graph/ops/expert-linear.ts';
import { usedExperts } from '../../graph/ops/route.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { Addresses, CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuStepOf, CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';
import { GROUP_ROWS } from '../packed-layout.ts';
import { activationCode, writeClamp } from './activation.ts';
import { chunkRows, writeMatrix } from './linear.ts';
import type { Chunk } from './linear.ts';

/** Weight [experts, out, in], bias [experts, out]. */
export type ExpertMatrix = Pick<ExpertLinearOp, 'weight' | 'bias'>;

/** fn(gate x) * (up x) of each of a row's experts. Inputs: x for gate, x for up, the same for all experts; routes. */
export interface GatedExpertsStepOp extends Pick<ActivationOp, 'fn' | 'clamp'> {
  readonly kind: 'gatedExperts';
  readonly gate: ExpertMatrix;
  readonly up: ExpertMatrix;
}

/** The sum over a row's experts of share * (W x + b). Inputs: x, routes, and up to two values to add. */
export interface MixedExpertsStepOp extends ExpertMatrix {
  readonly kind: 'mixedExperts';
  readonly each: boolean;
}

/** Rows of one expert that are multiplied at a time; `assembly/expert-groups.ts` has the same number. */
const EXPERT_TILE = 64;
/** Bytes of the records that lie in scratch beside the groups and tiles, and what places are rounded up by. */
const RECORD_BYTES = 512;

export interface ExpertSizes {
  readonly experts: number;
  readonly used: number;
  /** Most rows of a step. */
  readonly rows: number;
  readonly weightRows: number;
  readonly rowBytes: number;
  /** Of a row of the input. */
  readonly inputBytes: number;
  readonly threads: number;
}

/** The most that a thread needs of any step of such a matrix, but for the product's own. */
export function expertScratchBytes({ experts, used, rows, weightRows, rowBytes, inputBytes, threads }: ExpertSizes): number {
  const tileRows = Math.min(rows, EXPERT_TILE);
  const chunks = [expertChunk(weightRows, used, { rowBytes, threads }), chunkRows(weightRows, rowBytes, threads)];
  const tile = Math.max(...chunks.map(({ one, many }) => Math.max(one, many * tileRows) * 4));
  return RECORD_BYTES + (2 * experts + rows * used) * 4 + 2 * tileRows * inputBytes + 2 * tile;
}

/** Weight rows of a work item of one expert: all experts of a row share the threads. Each matrix is split evenly. */
function expertChunk(weightRows: number, used: number, { rowBytes, threads }: Pick<ExpertSizes, 'rowBytes' | 'threads'>): Chunk {
  const { one } = chunkRows(weightRows * used, rowBytes, threads);
  const even = Math.ceil(weightRows / Math.ceil(weightRows / one) / GROUP_ROWS) * GROUP_ROWS;
  return { one: even, many: chunkRows(weightRows, rowBytes, threads).many };
}

interface ExpertRecord {
  readonly step: CpuStepOf<{ readonly kind: string }>;
  readonly routes: CpuValue;
  /** All of the same number of experts; of one step they share x or are gate and up. */
  readonly matrices: readonly { readonly of: ExpertMatrix; readonly x: CpuValue }[];
  readonly each: boolean;
  readonly gate: Pick<ActivationOp, 'fn' | 'clamp'> | undefined;
  readonly added: readonly CpuValue[];
  /** Sums: a work item holds the weight rows of all experts. */
  readonly isMixed: boolean;
}

function writeExperts(out: RecordWriter, { step, routes, matrices, each, gate, added, isMixed }: ExpertRecord, at: Addresses): void {
  const used = usedExperts(routes);
  const [first] = matrices as readonly [ExpertRecord['matrices'][number]];
  const [experts, weightRows] = first.of.weight.shape as [number, number];
  out.ints(...rowsAt(at, routes), experts, used, each ? at.rowsOf(first.x).stride / used : 0, matrices.length);
  out.ints(gate === undefined ? 0 : activationCode(gate.fn));
  writeClamp(out, gate?.clamp);
  out.ints(...rowsAt(at, added[1]));
  const sizes = { rowBytes: at.matrix(first.of.weight.id).rowBytes, threads: at.threads };
  const chunk = isMixed ? chunkRows(weightRows, sizes.rowBytes, sizes.threads) : expertChunk(weightRows, used, sizes);
  for (const { of, x } of matrices) writeMatrix(out, { ...of, x, output: step.outputs[0], residual: added[0], chunk }, at);
}

const shownMatrix = ({ weight, bias }: ExpertMatrix, typeOf: TypeOf) => `${shownWeight(weight, typeOf)}${bias ? ' +bias' : ''}`;

export const expertLinearRules: CpuOpRules<ExpertLinearOp> = {
  code: 21,
  describe: ({ weight, bias, each }, typeOf) => `${shownMatrix({ weight, bias }, typeOf)}${each ? ' each' : ''}`,
  write(out, step, at) {
    const { weight, bias, each } = step.op;
    const [x, routes] = step.inputs as readonly [CpuValue, CpuValue];
    writeExperts(out, { step, routes, matrices: [{ of: { weight, bias }, x }], each, gate: undefined, added: [], isMixed: false }, at);
  },
};

export const gatedExpertsRules: CpuOpRules<GatedExpertsStepOp> = {
  code: 21,
  describe: ({ fn, clamp, gate, up }, typeOf) => `${fn}${printClamp(clamp)} ${shownMatrix(gate, typeOf)} | ${shownMatrix(up, typeOf)}`,
  write(out, step, at) {
    const [x, upX, routes] = step.inputs as readonly [CpuValue, CpuValue, CpuValue];
    const matrices = [{ of: step.op.gate, x }, { of: step.op.up, x: upX }];
    writeExperts(out, { step, routes, matrices, each: false, gate: step.op, added: [], isMixed: false }, at);
  },
};

export const mixedExpertsRules: CpuOpRules<MixedExpertsStepOp> = {
  code: 22,
  describe: ({ weight, bias, each }, typeOf) => `${shownMatrix({ weight, bias }, typeOf)}${each ? ' each' : ''}`,
  write(out, step, at) {
    const [x, routes, ...added] = step.inputs as readonly [CpuValue, CpuValue, ...CpuValue[]];
    const { weight, bias, each } = step.op;
    writeExperts(out, { step, routes, matrices: [{ of: { weight, bias }, x }], each, gate: undefined, added, isMixed: true }, at);
  },
};

export const lowerExpertLinear: Lower<ExpertLinearOp, ExpertLinearOp> = ({ op, inputs }, { inputFor }) => ({
  op,
  inputs: [inputFor(op.weight, inputs[0] as CpuValue), inputs[1] as CpuValue],
});
