import type { RopeOp, RopeTable } from '../../graph/ops/rope.ts';
import type { WeightRef } from '../../graph/value.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { Addresses, CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';

/** What happens to heads before they are used: norm, then rotation. */
export interface HeadPreparation {
  readonly norm: { readonly weight: WeightRef | undefined; readonly eps: number } | undefined;
  readonly table: RopeTable | undefined;
}

export interface RotateStepOp extends HeadPreparation {
  readonly kind: 'rotate';
  readonly heads: number;
  readonly headDim: number;
}

export function describePreparation(name: string, { norm, table }: HeadPreparation): string {
  const parts = [...(norm ? [`norm ${norm.weight?.id ?? '1'} eps=${norm.eps}`] : []), ...(table ? [`rope ${table.id}`] : [])];
  return parts.length === 0 ? '' : ` ${name}=(${parts.join(', ')})`;
}

/** A HeadRecord. */
export function writePreparation(
  out: RecordWriter,
  { norm, table }: HeadPreparation,
  [positions, shift]: readonly (CpuValue | undefined)[],
  at: Addresses,
): void {
  out.ints(norm ? 1 : 0, vectorAt(at, norm?.weight));
  out.float(norm?.eps ?? 0);
  out.ints(table ? at.ropeTable(table, positions as CpuValue, shift) : 0, table?.frequencies.length ?? 0);
}

export const rotateRules: CpuOpRules<RotateStepOp> = {
  code: 7,
  describe: (op) => `heads=${op.heads} headDim=${op.headDim}${describePreparation('head', op)}`,
  write(out, { op, inputs, outputs }, at) {
    out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, outputs[0]), op.heads, op.headDim);
    writePreparation(out, op, inputs.slice(1), at);
  },
};

export const lowerRope: Lower<RopeOp, RotateStepOp> = ({ op: { heads, headDim, table } }) => ({
  op: { kind: 'rotate', heads, headDim, norm: undefined, table },
});
