import type { LayerNormOp as GraphLayerNormOp } from '../../graph/ops/layer-norm.ts';
import { widthOf } from '../../graph/value.ts';
import { layerNormKernel, layerNormWorkgroups } from '../kernels/layer-norm/layer-norm.ts';
import { describeRounding } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, Lower, Rounding } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** Outputs: f32, rounded as it is, or both. */
export interface LayerNormOp extends GraphLayerNormOp {
  readonly rounding: Rounding | undefined;
}

export const layerNormRules: GpuOpRules<LayerNormOp> = {
  describe: ({ weight, bias, eps, rounding }) => `${weight.id}${bias ? ` +${bias.id}` : ''} eps=${eps}${describeRounding(rounding)}`,
  vectors: ({ weight, bias }) => [gainOf({ weight }), bias && gainOf({ weight: bias })],
  rounded: (op, rounding) => (rounding.norm === undefined ? { ...op, rounding } : undefined),
  cuts: (step, { fresh }) => roundingCut(step, { op: { ...step.op, rounding: undefined }, norm: undefined, fresh }),
  uses(step, _, { single }) {
    const [x] = step.inputs as readonly [GpuValue];
    const { weight, bias, eps, rounding } = step.op;
    const outputs = { f32: step.outputs.some(({ dtype }) => dtype === 'f32'), q8: rounding !== undefined };
    const variant = { width: widthOf(x), eps, bias: bias !== undefined, outputs, single };
    const buffers = { x: floatsRef(x), gain: vectorRef(weight.id), ...(bias ? { bias: vectorRef(bias.id) } : {}) };
    return rowUse(step, { kernel: layerNormKernel(variant), buffers, workgroups: (rows) => layerNormWorkgroups(variant, rows), work: 3 });
  },
};

export const lowerLayerNorm: Lower<GraphLayerNormOp, LayerNormOp> = ({ op }) => ({ op: { ...op, rounding: undefined } });
