import { CHOICE_SETTINGS, describeChoice } from '../../graph/ops/choose.ts';
import type { ChooseOp as GraphChooseOp } from '../../graph/ops/choose.ts';
import type { WeightRef } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { chooseKernel, chooseWorkgroups } from '../kernels/choose/choose.ts';
import { packedFormatOf, planesOf } from '../packed-layout.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { matrixOf } from '../plan/planned-weights.ts';
import { floatsRef } from '../plan/value-refs.ts';
import type { EmbedOp } from './embed.ts';
import { rowUse } from './row-use.ts';

/** Inputs: those of the graph's op, then what is added to a row. Outputs: the choice, and its row. */
export interface ChooseOp extends GraphChooseOp {
  /** The table whose row of what was chosen is wanted, and what is added to it. */
  readonly row?: { readonly weight: WeightRef; readonly base: EmbedOp['base'] } | undefined;
}

/** Of a workgroup, which takes a row: a lane of wide rows would have many values, each a wait for memory. */
function invocationsFor(width: number, most: number): number {
  return Math.min(width > WIDE ? 1024 : 256, most);
}

const WIDE = 8192;

function rowRefs({ op: { row }, inputs, outputs }: GpuStepOf<ChooseOp>, typeOf: Parameters<typeof matrixOf>[2]): Record<string, BufferRef> {
  if (row === undefined) return {};
  const { key, type, cols } = matrixOf([row.weight], 'rows', typeOf);
  const refs: Record<string, BufferRef> = { embedded: floatsRef(outputs[1] as GpuValue) };
  for (const { name } of planesOf(packedFormatOf(type), cols)) refs[`p0_${name}`] = { kind: 'plane', matrix: key, plane: name };
  if (row.base) refs['base'] = floatsRef(inputs.at(-1) as GpuValue);
  return refs;
}

export const chooseRules: GpuOpRules<ChooseOp> = {
  describe: (op, typeOf) =>
    `${describeChoice(op)}${op.row ? ` ${shownWeight(op.row.weight, typeOf)}${op.row.base ? ` + ${op.row.base.start}..` : ''}` : ''}`,
  matrices: ({ row }, { typeOf }) => (row ? [matrixOf([row.weight], 'rows', typeOf)] : []),
  uses(step, _, { profile, typeOf }) {
    const { end, nth, row } = step.op;
    const [x, settings, ...rest] = step.inputs as readonly [GpuValue, GpuValue, ...GpuValue[]];
    const before = end === undefined ? undefined : rest[0];
    const table = row && { type: typeOf(row.weight.id), vocab: row.weight.shape[0] as number, width: row.weight.shape[1] as number };
    const variant = {
      width: widthOf(x), end, settings: { numbers: widthOf(settings), first: CHOICE_SETTINGS * nth },
      row: table && { ...table, ...(row.base && { base: row.base }) },
      invocations: invocationsFor(widthOf(x), profile.invocations),
    };
    const buffers = {
      x: floatsRef(x), settings: floatsRef(settings), ...(before === undefined ? {} : { before: floatsRef(before) }),
      ...rowRefs(step, typeOf),
    };
    const own = { ...step, outputs: step.outputs.slice(0, 1) };
    return rowUse(own, { kernel: chooseKernel(variant), buffers, workgroups: chooseWorkgroups, work: 6 * widthOf(x) });
  },
};

export const lowerChoose: Lower<GraphChooseOp, ChooseOp> = ({ op }) => ({ op });
