/** What the CPU executor fuses of layers of the gated delta rule. */
import { isStep, privateProducer } from '../graph/patterns.ts';
import type { FusionRule } from '../graph/plan.ts';
import type { CpuValue } from './cpu-value.ts';
import type { CpuOp } from './ops/index.ts';

type Rule = FusionRule<CpuOp, CpuValue>;

/** fn(convolution(x)), channel block by channel block. */
const convolutionActivation: Rule = {
  name: 'convolution-activation',
  match(step, context) {
    if (!isStep(step, 'activation') || step.inputs.length !== 1) return undefined;
    const maker = privateProducer(step.inputs[0], 'shortConvolution', context);
    if (maker === undefined || maker.op.gates !== undefined || maker.op.activation !== undefined) return undefined;
    const op: CpuOp = { ...maker.op, activation: step.op.fn };
    return { replaced: [maker, step], by: { ...maker, op, outputs: step.outputs } };
  },
};

/** fn(z) * norm(y) of each head while its y is in cache. */
const deltaRuleGate: Rule = {
  name: 'delta-rule-gate',
  match(step, context) {
    const [z, normed] = step.inputs;
    if (!isStep(step, 'activation') || step.op.clamp !== undefined || z === undefined || normed === undefined) return undefined;
    const norm = privateProducer(normed, 'norm', context);
    const rule = privateProducer(norm?.inputs[0], 'deltaRule', context);
    if (norm === undefined || rule === undefined || rule.op.gate !== undefined || norm.outputs.length > 1) return undefined;
    const { weight, eps, groups, centred, gather, residual } = norm.op;
    if (groups !== rule.op.valueHeads || centred || gather || residual) return undefined;
    const op: CpuOp = { ...rule.op, gate: { fn: step.op.fn, weight, eps } };
    return { replaced: [rule, norm, step], by: { ...rule, op, inputs: [...rule.inputs, z], outputs: step.outputs } };
  },
};

export const DELTA_NET_RULES: readonly Rule[] = [convolutionActivation, deltaRuleGate];
