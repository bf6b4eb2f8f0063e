/** The executor's own op: sums of rows of several tables of one shape. */
import { shownWeight } from '../../graph/weight-lookup.ts';
import type { WeightRef } from '../../graph/value.ts';
import { embedTablesKernel, embedTablesWorkgroups } from '../kernels/embed-tables/embed-tables.ts';
import { packedFormatOf, planesOf } from '../packed-layout.ts';
import type { GpuOpRules } from '../plan/gpu-op-rules.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { matrixOf } from '../plan/planned-weights.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Inputs: tokens of each table. Output: f32. */
export interface EmbedTablesOp {
  readonly kind: 'embedTables';
  /** [vocab, width] each, of one type. */
  readonly tables: readonly WeightRef[];
  readonly scale: number;
}

export const embedTablesRules: GpuOpRules<EmbedTablesOp> = {
  describe: ({ tables, scale }, typeOf) =>
    `${tables.map((table) => shownWeight(table, typeOf)).join(' + ')}${scale === 1 ? '' : ` scale=${scale}`}`,
  matrices: ({ tables }, { typeOf }) => [matrixOf(tables, 'rows', typeOf)],
  uses(step, _, { typeOf, single }) {
    const { tables, scale } = step.op;
    const [vocab, width] = tables[0]!.shape as readonly [number, number];
    const { key, type } = matrixOf(tables, 'rows', typeOf);
    const variant = { type, tables: tables.length, vocab, width, ...(scale !== 1 && { scale }), single };
    const planes = planesOf(packedFormatOf(type), width);
    const rowBytes = planes.reduce((sum, plane) => sum + plane.rowBytes, 0);
    const buffers: Record<string, BufferRef> = {};
    for (const { name } of planes) buffers[`p0_${name}`] = { kind: 'plane', matrix: key, plane: name };
    step.inputs.forEach((tokens, n) => (buffers[`tokens${n}`] = floatsRef(tokens)));
    return rowUse(step, {
      kernel: embedTablesKernel(variant), buffers, workgroups: (rows) => embedTablesWorkgroups(variant, rows),
      weightBytes: (rows) => rows * tables.length * rowBytes,
    });
  },
};
