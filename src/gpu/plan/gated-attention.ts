/** Attention whose result a gate multiplies (Qwen3.5): the gate is a product of what q, k and v are products of, so it joins theirs. */
import { isStep, privateProducer } from '../../graph/patterns.ts';
import type { FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import { outerOf } from './gpu-value.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';

/** The end of sigmoid(W x) * y, where the product does nothing else. */
function isGate({ parts, norm, gated, residual, activation, rounding }: LinearOp, y: GpuValue): boolean {
  if (parts.length !== 1 || norm !== undefined || gated || residual || rounding !== undefined) return false;
  if (activation === undefined || activation.fn !== 'sigmoid' || activation.times === undefined) return false;
  return activation.times.start === 0 && activation.times.of === widthOf(y);
}

/** Matrices of several types would bind more buffers than small devices have. */
export function gatedAttention(typeOf: (id: string) => string): FusionRule<GpuOp, GpuValue> {
  return {
    name: 'gated-attention',
    match(step, context) {
      const [x, y] = step.inputs;
      if (!isStep(step, 'linear') || y === undefined || !isGate(step.op, y)) return undefined;
      const attention = privateProducer(y, 'attention', context);
      const product = attention?.op.joined ? privateProducer(attention.inputs[0], 'linear', context) : undefined;
      if (attention === undefined || product === undefined || product.op.norm !== undefined) return undefined;
      if (product.inputs[0]?.id !== x?.id) return undefined;
      const parts = [...product.op.parts, ...step.op.parts];
      if (parts.length !== 4 || new Set(parts.map(({ weight }) => typeOf(weight.id))).size > 1) return undefined;
      const [heads] = product.outputs as readonly [GpuValue];
      const label = `${product.label}+${step.op.parts[0]?.weight.id}`;
      const joined: GpuValue = { ...heads, shape: [outerOf(heads), widthOf(heads) + widthOf(y)], label };
      const multiply: GpuStepOf<LinearOp> = { ...product, op: { ...product.op, parts }, outputs: [joined], label };
      const attend: GpuStep = {
        ...attention, op: { ...attention.op, gated: true }, inputs: [joined, ...attention.inputs.slice(1)], outputs: step.outputs,
      };
      return { replaced: [product, attention, step], by: [multiply, attend] };
    },
  };
}
