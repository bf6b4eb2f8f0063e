import type { EmbedOp as GraphEmbedOp } from '../../graph/ops/embed.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { embedKernel, embedWorkgroups } from '../kernels/embed/embed.ts';
import { packedFormatOf, planesOf } from '../packed-layout.ts';
import { describeRounding } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, Lower, Rounding } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { gainOf, matrixOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** Input: tokens. Outputs: f32, and rounded where asked for. */
export interface EmbedOp extends GraphEmbedOp {
  readonly rounding: Rounding | undefined;
}

export const embedRules: GpuOpRules<EmbedOp> = {
  describe: ({ weight, scale, rounding }, typeOf) =>
    `${shownWeight(weight, typeOf)}${scale === 1 ? '' : ` scale=${scale}`}${describeRounding(rounding)}`,
  matrices: ({ weight }, typeOf) => [matrixOf([weight], 'rows', typeOf)],
  vectors: ({ rounding }) => [rounding?.norm && gainOf(rounding.norm)],
  rounded: (op, rounding) => (rounding.norm === undefined ? undefined : { ...op, rounding }),
  cuts: (step, { fresh }) => roundingCut(step, { op: { ...step.op, rounding: undefined }, norm: step.op.rounding?.norm, fresh }),
  uses(step, _, { typeOf, single }) {
    const { weight, scale, rounding } = step.op;
    const [vocab, width] = weight.shape as [number, number];
    const { key, type } = matrixOf([weight], 'rows', typeOf);
    const q8n = rounding?.norm && { eps: rounding.norm.eps };
    const variant = { type, vocab, width, q8n, single, scale: scale === 1 ? undefined : scale } as const;
    const planes = planesOf(packedFormatOf(type), width);
    const buffers: Record<string, BufferRef> = { tokens: floatsRef(step.inputs[0] as GpuValue) };
    for (const { name } of planes) buffers[`p0_${name}`] = { kind: 'plane', matrix: key, plane: name };
    if (rounding?.norm) buffers['yGain'] = vectorRef(rounding.norm.weight.id);
    const rowBytes = planes.reduce((sum, plane) => sum + plane.rowBytes, 0);
    return rowUse(step, {
      kernel: embedKernel(variant),
      buffers,
      workgroups: (rows) => embedWorkgroups(variant, rows),
      weightBytes: (rows) => rows * rowBytes,
    });
  },
};

export const lowerEmbed: Lower<GraphEmbedOp, EmbedOp> = ({ op }) => ({ op: { ...op, rounding: undefined } });
