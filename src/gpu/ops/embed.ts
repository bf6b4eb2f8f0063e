import type { EmbedOp as GraphEmbedOp } from '../../graph/ops/embed.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { embedKernel, embedWorkgroups } from '../kernels/embed/embed.ts';
import { packedFormatOf, planesOf } from '../packed-layout.ts';
import { describeRounding } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, Lower, Rounding, UseOptions } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { boundTogether, gainOf, matricesFor } from '../plan/planned-weights.ts';
import type { PlannedMatrix } from '../plan/planned-weights.ts';
import { floatsRef, outputRefs, vectorRef } from '../plan/value-refs.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** Inputs: tokens, and what is added where there is a base. Outputs: f32, and rounded where asked for. */
export interface EmbedOp extends GraphEmbedOp {
  readonly rounding: Rounding | undefined;
  /** Columns of the second input, from `start` on, that are added. */
  readonly base: { readonly start: number; readonly of: number } | undefined;
}

export const embedRules: GpuOpRules<EmbedOp> = {
  describe: ({ weight, scale, base, rounding }, typeOf) =>
    `${shownWeight(weight, typeOf)}${scale === 1 ? '' : ` scale=${scale}`}` +
    `${base ? ` + ${base.start}..` : ''}${describeRounding(rounding)}`,
  matrices: ({ weight }, choices) => matricesFor([weight], choices),
  vectors: ({ rounding }) => [rounding?.norm && gainOf(rounding.norm)],
  rounded: (op, rounding) => (rounding.norm === undefined ? undefined : { ...op, rounding }),
  cuts: (step, { fresh }) => roundingCut(step, { op: { ...step.op, rounding: undefined }, norm: step.op.rounding?.norm, fresh }),
  uses(step, _, options) {
    const { weight, scale, rounding, base } = step.op;
    const [vocab, width] = weight.shape as [number, number];
    const matrices = matricesFor([weight], options);
    const [{ type }] = matrices as readonly [PlannedMatrix];
    const planes = planesOf(packedFormatOf(type), width);
    const alone = step.outputs.every(({ dtype }) => dtype !== 'f32') ? { alone: true as const } : {};
    const q8n = rounding?.norm && { eps: rounding.norm.eps, ...alone };
    const scaled = { ...(scale !== 1 && { scale }), ...(base && { base }) };
    const common = { type, vocab, width, q8n, single: options.single, ...scaled } as const;
    const rowBytes = planes.reduce((sum, plane) => sum + plane.rowBytes, 0);
    return boundTogether(matrices, planes.length, storageBuffersLeft(step, options)).flatMap((bound, n) => {
      const pieces = matrices.length === 1 ? undefined : bound.map(({ firstRow = 0, rows }) => ({ firstRow, rows }));
      const variant = { ...common, pieces };
      const buffers: Record<string, BufferRef> = { tokens: floatsRef(step.inputs[0] as GpuValue) };
      bound.forEach(({ key }, part) => {
        for (const { name } of planes) buffers[`p${part}_${name}`] = { kind: 'plane', matrix: key, plane: name };
      });
      if (base) buffers['base'] = floatsRef(step.inputs[1] as GpuValue);
      if (rounding?.norm) buffers['yGain'] = vectorRef(rounding.norm.weight.id);
      return rowUse(step, {
        kernel: embedKernel(variant),
        buffers,
        workgroups: (rows) => embedWorkgroups(variant, rows),
        weightBytes: (rows) => (n === 0 ? rows * rowBytes : 0),
      });
    });
  },
};

/** Storage buffers that a kernel may bind beside tokens, base, outputs and gain. */
function storageBuffersLeft({ op, inputs, outputs }: GpuStepOf<EmbedOp>, { profile }: UseOptions): number {
  return profile.storageBuffers - inputs.length - Object.keys(outputRefs(outputs)).length - (op.rounding?.norm ? 1 : 0);
}

export const lowerEmbed: Lower<GraphEmbedOp, EmbedOp> = ({ op }) => ({ op: { ...op, rounding: undefined, base: undefined } });
