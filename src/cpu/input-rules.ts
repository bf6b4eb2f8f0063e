/**
 * What the CPU executor fuses so that threads wait for each other less often: inputs of products are rounded by whoever makes them, or
 * made by whoever reads them.
 */
import { isPrivate, isStep } from '../graph/patterns.ts';
import type { FusionContext, FusionRule } from '../graph/plan.ts';
import type { CpuStepOf, CpuValue } from './cpu-value.ts';
import type { CpuOp } from './ops/index.ts';
import { partsOf } from './ops/linear.ts';
import type { GatedStepOp, InputMaker, LinearPart, LinearsStepOp } from './ops/linear.ts';

type Context = FusionContext<CpuOp, CpuValue>;
type Rule = FusionRule<CpuOp, CpuValue>;
type ProductStep = CpuStepOf<LinearsStepOp> | CpuStepOf<GatedStepOp>;

/** int8 rounding of gated products, chunk by chunk, which are whole blocks. */
const gatedQuantize: Rule = {
  name: 'gated-quantize',
  match(step, context) {
    const floats = step.inputs[0];
    if (!isStep(step, 'quantize') || floats === undefined) return undefined;
    const gated = context.producerOf(floats);
    if (!isStep(gated, 'gated') || gated.op.quantizes) return undefined;
    const op: CpuOp = { ...gated.op, quantizes: true };
    return { replaced: [gated, step], by: { ...gated, op, outputs: [floats, ...step.outputs] } };
  },
};

/** int8 rounding of what heads make, by whoever attends with them, where a head is whole blocks. */
const attentionQuantize: Rule = {
  name: 'attention-quantize',
  match(step, context) {
    const floats = step.inputs[0];
    if (!isStep(step, 'quantize') || floats === undefined) return undefined;
    const attention = context.producerOf(floats);
    if (!isStep(attention, 'attention') || attention.outputs.length > 1 || attention.op.state.valueDim % 32 !== 0) return undefined;
    return { replaced: [attention, step], by: { ...attention, outputs: [floats, ...step.outputs] } };
  },
};

/**
 * The norm, or the rounding, that makes all that a step's products multiply. Others may read it too: they find its row where the first
 * thread has made it. Only where the step waits for more than that, they might be what it waits for.
 */
function inputMaker(step: ProductStep, context: Context): CpuStepOf<InputMaker> | undefined {
  const parts = partsOf(step.op);
  const maker = context.producerOf(step.inputs[parts[0]?.x ?? 0] as CpuValue);
  if (!isStep(maker, 'norm') && !isStep(maker, 'quantize')) return undefined;
  const isMade = (value: CpuValue | undefined) => maker.outputs.some(({ id }) => id === value?.id);
  if (!parts.every(({ x }) => isMade(step.inputs[x]))) return undefined;
  const residuals = parts.flatMap(({ residual }) => (residual === undefined ? [] : [step.inputs[residual]]));
  const isOwn = (value: CpuValue) => isPrivate(value, context) && context.consumersOf(value)[0] === step;
  const isSafe = residuals.length === 0 || (!residuals.some(isMade) && maker.outputs.every(isOwn));
  return isSafe ? (maker as CpuStepOf<InputMaker>) : undefined;
}

/** The norm, or the rounding, that makes the input of products, in their step: a single row each thread makes for itself. */
const productInput: Rule = {
  name: 'product-input',
  match(step, context) {
    if ((!isStep(step, 'linears') && !isStep(step, 'gated')) || step.op.input !== undefined) return undefined;
    const maker = inputMaker(step, context);
    if (maker === undefined) return undefined;
    const inputs = [...maker.inputs, ...step.inputs.filter(({ id }) => !maker.outputs.some((value) => value.id === id))];
    const moved = (part: LinearPart): LinearPart => ({
      ...part,
      x: maker.outputs.findIndex(({ id }) => id === step.inputs[part.x]?.id),
      residual: part.residual === undefined ? undefined : inputs.indexOf(step.inputs[part.residual] as CpuValue),
    });
    const input = maker.op;
    const op: CpuOp =
      step.op.kind === 'linears'
        ? { ...step.op, input, parts: step.op.parts.map(moved) }
        : { ...step.op, input, gate: moved(step.op.gate), up: moved(step.op.up) };
    return { replaced: [maker, step], by: { op, inputs, outputs: [...step.outputs, ...maker.outputs], label: step.label } };
  },
};

/** Behind all other rules, which know steps without inputs of their own. */
export const INPUT_RULES: readonly Rule[] = [gatedQuantize, attentionQuantize, productInput];
