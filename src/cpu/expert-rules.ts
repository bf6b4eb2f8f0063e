/** What the CPU executor fuses of mixtures of experts. */
import { gatedPair, isStep, privateProducer, residualSum } from '../graph/patterns.ts';
import type { FusionRule } from '../graph/plan.ts';
import type { CpuValue } from './cpu-value.ts';
import type { CpuOp, CpuStep } from './ops/index.ts';

type Rule = FusionRule<CpuOp, CpuValue>;
type TwoValues = readonly [CpuValue, CpuValue];

/** fn(gate x) * (up x) of each of a row's experts, chunk by chunk: neither product is written to memory as a whole. */
const gatedExperts: Rule = {
  name: 'expert-gate-up-activation',
  match(step, context) {
    const pair = isStep(step, 'activation') ? gatedPair<CpuOp, CpuValue, 'expertLinear'>(step, 'expertLinear', context) : undefined;
    if (!isStep(step, 'activation') || pair === undefined || pair.gate.op.each || pair.up.op.each) return undefined;
    const [[x, routes], [upX, upRoutes]] = [pair.gate.inputs, pair.up.inputs] as unknown as readonly [TwoValues, TwoValues];
    if (routes.id !== upRoutes.id) return undefined;
    const { fn, clamp } = step.op;
    const op: CpuOp = { kind: 'gatedExperts', fn, clamp, gate: pair.gate.op, up: pair.up.op };
    return { replaced: [pair.gate, pair.up, step], by: { op, inputs: [x, upX, routes], outputs: step.outputs, label: step.label } };
  },
};

/** The sum over a row's experts is made while their products are in cache. */
const mixedExperts: Rule = {
  name: 'expert-product-sum',
  match(step, context) {
    if (!isStep(step, 'expertSum')) return undefined;
    const maker = privateProducer(step.inputs[0], 'expertLinear', context);
    if (maker === undefined || maker.inputs[1]?.id !== step.inputs[1]?.id) return undefined;
    const { weight, bias, each } = maker.op;
    const op: CpuOp = { kind: 'mixedExperts', weight, bias, each };
    return { replaced: [maker, step], by: { op, inputs: maker.inputs, outputs: step.outputs, label: maker.label } };
  },
};

/** The sum over a row's experts, and a residual or two: that of the layer, and what an expert makes that all rows go to. */
const mixedResidual: Rule = {
  name: 'expert-sum-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    const accepts = ({ inputs }: CpuStep) => inputs.length < 4;
    const sum = residualSum<CpuOp, CpuValue, 'mixedExperts'>(step, 'mixedExperts', { context, accepts });
    if (sum === undefined) return undefined;
    const { maker, residual } = sum;
    return { replaced: [maker, step], by: { ...maker, inputs: [...maker.inputs, residual], outputs: step.outputs } };
  },
};

export const EXPERT_RULES: readonly Rule[] = [gatedExperts, mixedExperts, mixedResidual];
