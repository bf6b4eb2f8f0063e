/** What the GPU executor fuses of mixtures of experts. */
import { gatedPair, isStep, privateProducer, residualSum } from '../../graph/patterns.ts';
import type { FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { ExpertLinearOp } from '../ops/expert-linear-op.ts';
import { usedOf } from '../ops/expert-lists.ts';
import type { GpuOp } from '../ops/index.ts';
import { INTERLEAVE_ROWS } from '../packed-layout.ts';
import type { GpuValue } from './gpu-value.ts';

type Rule = FusionRule<GpuOp, GpuValue>;

/** A product with experts and nothing else. */
function isPlain({ parts, norm, gated, summed, rounding }: ExpertLinearOp): boolean {
  return parts.length === 1 && norm === undefined && !gated && !summed && rounding === undefined;
}

/** fn(gate x) * (up x) of each expert in one product of interleaved rows. */
export function gatedExperts(typeOf: (id: string) => string): Rule {
  return {
    name: 'expert-gate-up-activation',
    match(step, context) {
      if (!isStep(step, 'activation') || step.op.columns !== undefined) return undefined;
      const pair = gatedPair<GpuOp, GpuValue, 'expertLinear'>(step, 'expertLinear', context);
      if (pair === undefined || !isPlain(pair.gate.op) || !isPlain(pair.up.op) || pair.gate.op.each !== pair.up.op.each) return undefined;
      const { gate, up } = pair;
      const parts = [...gate.op.parts, ...up.op.parts];
      const [first, second] = parts.map(({ weight }) => typeOf(weight.id));
      const isOneInput = gate.inputs.every(({ id }, i) => id === up.inputs[i]?.id);
      const rows = widthOf(step.outputs[0] as GpuValue) / usedOf(gate.inputs[1] as GpuValue);
      if (!isOneInput || first !== second || rows % INTERLEAVE_ROWS !== 0) return undefined;
      const op: ExpertLinearOp = { ...gate.op, parts, gated: step.op.fn, clamp: step.op.clamp };
      return { replaced: [gate, up, step], by: { op, inputs: gate.inputs, outputs: step.outputs, label: step.label } };
    },
  };
}

/** A factor of all logits, in the routing that reads them. */
export const scaledRoute: Rule = {
  name: 'scaled-route',
  match(step, context) {
    if (!isStep(step, 'route') || step.op.shared) return undefined;
    const scaled = privateProducer(step.inputs[0], 'scale', context);
    const by = scaled?.op.by;
    if (scaled === undefined || typeof by !== 'number' || !(by > 0)) return undefined;
    return { replaced: [scaled, step], by: { ...step, op: { ...step.op, logitScale: step.op.logitScale * by }, inputs: scaled.inputs } };
  },
};

/** The weighted sum over a row's experts in their product: of a single row, whose routes it reads. */
export const summedExperts: Rule = {
  name: 'expert-product-sum',
  match(step, context) {
    if (!isStep(step, 'expertSum') || step.op.residual) return undefined;
    const maker = privateProducer(step.inputs[0], 'expertLinear', context);
    if (maker === undefined || !isPlain(maker.op) || !maker.op.each || maker.inputs[1]?.id !== step.inputs[1]?.id) return undefined;
    return { replaced: [maker, step], by: { ...maker, op: { ...maker.op, summed: true }, outputs: step.outputs } };
  },
};

/** A sum over experts, and a residual. */
export const residualExperts: Rule = {
  name: 'expert-sum-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    const product = residualSum<GpuOp, GpuValue, 'expertLinear'>(step, 'expertLinear', {
      context, accepts: ({ op }) => op.summed && !op.residual && op.rounding === undefined,
    });
    const { maker, residual } =
      product ?? residualSum<GpuOp, GpuValue, 'expertSum'>(step, 'expertSum', { context, accepts: ({ op }) => !op.residual }) ?? {};
    if (maker === undefined || residual === undefined) return undefined;
    const by = { op: { ...maker.op, residual: true }, inputs: [...maker.inputs, residual], outputs: step.outputs, label: maker.label };
    return { replaced: [maker, step], by };
  },
};

/** A norm that several steps read, all of which can do it themselves: a router and the experts. */
export const sharedNorm: Rule = {
  name: 'shared-norm',
  match(step, context) {
    const [normed] = step.outputs;
    if (!isStep(step, 'norm') || step.op.groups !== 1 || step.op.gather || normed === undefined || context.isKept(normed)) return undefined;
    const norm = { weight: step.op.weight, eps: step.op.eps };
    const [x] = step.inputs as readonly [GpuValue];
    const readers = context.consumersOf(normed);
    const by = readers.map((reader) => {
      if (reader.inputs[0]?.id !== normed.id || reader.inputs.slice(1).some(({ id }) => id === normed.id)) return undefined;
      const inputs = [x, ...reader.inputs.slice(1)];
      if (isStep(reader, 'quantize') && reader.op.norm === undefined && !reader.op.gather) {
        const rounded = reader.outputs.map((value) => ({ ...value, dtype: 'q8n' as const }));
        return { ...reader, op: { ...reader.op, norm }, inputs, outputs: rounded };
      }
      const isProduct = isStep(reader, 'linear') || (isStep(reader, 'expertLinear') && !reader.op.each);
      return isProduct && reader.op.norm === undefined ? { ...reader, op: { ...reader.op, norm }, inputs } : undefined;
    });
    const all = by.filter((reader) => reader !== undefined);
    return readers.length < 2 || all.length < readers.length ? undefined : { replaced: [step, ...readers], by: all };
  },
};
