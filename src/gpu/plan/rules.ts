/**
 * What the GPU executor fuses. A dispatch costs microseconds whatever it does, so fewer steps are the point; values in between cost
 * little.
 */
import { gatedConvolution, gatedPair, gatheredNorm, isPrivate, isStep, privateProducer, residualSum } from '../../graph/patterns.ts';
import type { FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuOp } from '../ops/index.ts';
import { isPlainProduct } from '../ops/linear-op.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import { headsIntoAttention, joinedQkv, joinedRowNorms } from './attention-rules.ts';
import { gatedExperts, residualExperts, scaledRoute, sharedNorm, summedExperts } from './expert-rules.ts';
import { gatedAttention } from './gated-attention.ts';
import { embedSum } from './embed-sum.ts';
import type { GpuValue } from './gpu-value.ts';
import { convolutionActivation, deltaNet } from './delta-net.ts';
import { sharedExpert } from './shared-expert.ts';
import { sumProduct } from './sum-product.ts';
import type { SumProduct } from './sum-product.ts';

type Rule = FusionRule<GpuOp, GpuValue>;

/** gather and norm in either order: only the rows that are wanted are normed. */
const gatherNorm: Rule = {
  name: 'gather-norm',
  match(step, context) {
    const found = gatheredNorm(step, { norm: 'norm', gather: 'gather', context });
    if (found === undefined || found.norm.op.gather) return undefined;
    const { norm, replaced, inputs, outputs } = found;
    return { replaced, by: { op: { ...norm.op, gather: true }, inputs, outputs, label: norm.label } };
  },
};

/** norm and rounding: the division by the root of the mean square is left to those who read the codes. */
const normQuantize: Rule = {
  name: 'norm-quantize',
  match(step, context) {
    if (!isStep(step, 'quantize') || step.op.norm !== undefined || step.op.gather) return undefined;
    const norm = privateProducer(step.inputs[0], 'norm', context);
    if (norm === undefined || norm.op.groups !== 1) return undefined;
    const op: GpuOp = { kind: 'quantize', norm: { weight: norm.op.weight, eps: norm.op.eps }, gather: norm.op.gather };
    const outputs = step.outputs.map((value) => ({ ...value, dtype: 'q8n' as const }));
    return { replaced: [norm, step], by: { op, inputs: norm.inputs, outputs, label: step.label } };
  },
};

/** A norm of c x, c a positive number: that of x with an eps smaller by c squared. */
const scaleNorm: Rule = {
  name: 'scale-norm',
  match(step, context) {
    if (!isStep(step, 'norm')) return undefined;
    const scaled = privateProducer(step.inputs[0], 'scale', context);
    const by = scaled?.op.by;
    if (scaled === undefined || typeof by !== 'number' || !(by > 0)) return undefined;
    const op = { ...step.op, eps: step.op.eps / by ** 2 };
    return { replaced: [scaled, step], by: { ...step, op, inputs: [scaled.inputs[0] as GpuValue, ...step.inputs.slice(1)] } };
  },
};

/** x + norm(y), y being what a block ends in: one workgroup has all of a row of y, and so its mean square. */
const normResidual: Rule = {
  name: 'norm-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    const sum = residualSum<GpuOp, GpuValue, 'norm'>(step, 'norm', { context, accepts: ({ op }) => !op.gather });
    if (sum === undefined) return undefined;
    const { maker: { op: { weight, eps, groups }, inputs: [y] }, residual } = sum;
    const op: GpuOp = { kind: 'addNorm', norm: { weight, eps }, groups, by: undefined, rounding: undefined };
    return { replaced: [sum.maker, step], by: { op, inputs: [y as GpuValue, residual], outputs: step.outputs, label: step.label } };
  },
};

/** by * (x + norm(y)). */
const normResidualScale: Rule = {
  name: 'norm-residual-scale',
  match(step, context) {
    if (!isStep(step, 'scale')) return undefined;
    const sum = privateProducer(step.inputs[0], 'addNorm', context);
    if (sum === undefined || sum.op.by !== undefined || sum.op.rounding !== undefined) return undefined;
    return { replaced: [sum, step], by: { ...sum, op: { ...sum.op, by: step.op.by }, outputs: step.outputs, label: step.label } };
  },
};

/** Rows of two matrices that alternate in one: a workgroup owns gate and up of the same columns. */
const GATED_ROWS = 16;

/** fn(gate x) * (up x) in one product of interleaved rows. */
function gatedLinear(typeOf: (id: string) => string): Rule {
  return {
    name: 'gate-up-activation',
    match(step, context) {
      const pair = isStep(step, 'activation') ? gatedPair<GpuOp, GpuValue, 'linear'>(step, 'linear', context) : undefined;
      if (!isStep(step, 'activation') || pair === undefined) return undefined;
      if (!isPlainProduct(pair.gate.op) || !isPlainProduct(pair.up.op)) return undefined;
      if (step.op.clamp !== undefined) return undefined;
      const { gate, up } = pair;
      const parts = [...gate.op.parts, ...up.op.parts];
      const [first, second] = parts.map(({ weight }) => typeOf(weight.id));
      const sameInput = gate.inputs[0]?.id === up.inputs[0]?.id;
      if (
        !sameInput ||
        first !== second ||
        widthOf(step.outputs[0] as GpuValue) % GATED_ROWS !== 0
      )
        return undefined;
      const op: LinearOp = { ...gate.op, parts, gated: step.op.fn };
      return { replaced: [gate, up, step], by: { op, inputs: gate.inputs, outputs: step.outputs, label: step.label } };
    },
  };
}

/** A convolution with both of its gates, as one reader of the product that makes all three of their parts. */
const convolutionGates: Rule = {
  name: 'convolution-gates',
  match(step, context) {
    const found = gatedConvolution(step, context);
    if (found === undefined || found.convolution.op.gates !== undefined) return undefined;
    const { convolution, gates, of, replaced } = found;
    return { replaced, by: { ...convolution, op: { ...convolution.op, gates }, inputs: [of], outputs: step.outputs } };
  },
};

/** fn(gate) times some columns of a value, read where they lie. */
const columnsActivation: Rule = {
  name: 'columns-activation',
  match(step, context) {
    if (!isStep(step, 'activation') || step.op.columns !== undefined) return undefined;
    const taken = privateProducer(step.inputs[1], 'columns', context);
    if (taken === undefined) return undefined;
    const [all] = taken.inputs as readonly [GpuValue];
    const { start, width } = taken.op;
    const of = widthOf(all);
    // Values are read by fours where the width allows it.
    if (width % 4 === 0 && (start % 4 !== 0 || of % 4 !== 0)) return undefined;
    const inputs = [step.inputs[0] as GpuValue, all];
    return { replaced: [taken, step], by: { ...step, op: { ...step.op, columns: { start, of } }, inputs } };
  },
};

/** fn(W x), or fn(W x) * y, in the product's epilogue. */
const linearActivation: Rule = {
  name: 'linear-activation',
  match(step, context) {
    if (!isStep(step, 'activation')) return undefined;
    const maker = privateProducer(step.inputs[0], 'linear', context);
    const [, other] = step.inputs;
    const { fn, clamp, columns } = step.op;
    if (maker === undefined || !isPlainProduct(maker.op) || other?.id === step.inputs[0]?.id || clamp !== undefined) return undefined;
    const times = other && (columns ?? { start: 0, of: widthOf(other) });
    const inputs = [maker.inputs[0] as GpuValue, ...(other ? [other] : [])];
    const op: LinearOp = { ...maker.op, activation: { fn, times } };
    return { replaced: [maker, step], by: { op, inputs, outputs: step.outputs, label: step.label } };
  },
};

/** A bound of W x in the product's epilogue: logits. */
const linearSoftcap: Rule = {
  name: 'linear-softcap',
  match(step, context) {
    if (!isStep(step, 'softcap')) return undefined;
    const maker = privateProducer(step.inputs[0], 'linear', context);
    if (maker === undefined || !isPlainProduct(maker.op)) return undefined;
    const op: LinearOp = { ...maker.op, activation: { fn: 'softcap', cap: step.op.cap } };
    return { replaced: [maker, step], by: { ...maker, op, outputs: step.outputs } };
  },
};

/** W x + residual in the product's epilogue. */
const linearResidual: Rule = {
  name: 'linear-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    const sum = residualSum<GpuOp, GpuValue, 'linear'>(step, 'linear', { context, accepts: ({ op }) => isPlainProduct(op) });
    if (sum === undefined) return undefined;
    const { maker, residual } = sum;
    const inputs = [maker.inputs[0] as GpuValue, residual];
    return { replaced: [maker, step], by: { op: { ...maker.op, residual: true }, inputs, outputs: step.outputs, label: maker.label } };
  },
};

/** A norm that one product reads: every subgroup sees all of x, so the squares cost it little. */
const normPrologue: Rule = {
  name: 'norm-prologue',
  match(step, context) {
    const isProduct = isStep(step, 'linear') || (isStep(step, 'expertLinear') && !step.op.each);
    if (!isProduct || step.op.norm !== undefined) return undefined;
    const norm = privateProducer(step.inputs[0], 'norm', context);
    if (norm === undefined || norm.op.groups !== 1 || norm.op.gather) return undefined;
    const op: GpuOp = { ...step.op, norm: { weight: norm.op.weight, eps: norm.op.eps } };
    return { replaced: [norm, step], by: { ...step, op, inputs: [norm.inputs[0] as GpuValue, ...step.inputs.slice(1)] } };
  },
};

/** Rounding to int8 in the epilogue of whoever makes the values; the floats are written only where something else reads them. */
const quantizeEpilogue: Rule = {
  name: 'quantize-epilogue',
  match(step, context) {
    const floats = step.inputs[0];
    if (!isStep(step, 'quantize') || step.op.gather || floats === undefined) return undefined;
    const maker = context.producerOf(floats);
    const op = maker?.outputs.length === 1 ? gpuRulesOf(maker.op).rounded?.(maker.op, { norm: step.op.norm }, maker.inputs) : undefined;
    if (maker === undefined || op === undefined) return undefined;
    const outputs = isPrivate(floats, context) ? step.outputs : [floats, ...step.outputs];
    return { replaced: [maker, step], by: { ...maker, op, outputs } };
  },
};

export interface RuleChoices {
  /** For plans of one row. */
  readonly sumSuits?: ((found: SumProduct) => boolean) | undefined;
  /** Of graphs that look up several tables, that choose, and that make several positions of a sequence in a run. */
  readonly tables?: readonly Rule[] | undefined;
  readonly blocks?: readonly Rule[] | undefined;
}

/** In the order in which they run: each may rely on what the ones before it left. */
export function gpuRules(
  typeOf: (id: string) => string, { sumSuits = () => false, tables = [], blocks = [] }: RuleChoices = {},
): readonly Rule[] {
  return [
    scaleNorm, gatherNorm, normQuantize, normResidual, normResidualScale, embedSum, ...tables,
    convolutionGates, convolutionActivation, deltaNet(typeOf),
    gatedLinear(typeOf), columnsActivation, linearActivation, linearSoftcap, linearResidual,
    scaledRoute, gatedExperts(typeOf), sharedExpert(typeOf), summedExperts, residualExperts,
    headsIntoAttention('rope-attention', 'rope'), headsIntoAttention('head-norm-attention', 'norm'),
    joinedQkv, gatedAttention(typeOf), joinedRowNorms, ...blocks, sharedNorm, normPrologue, quantizeEpilogue, sumProduct(sumSuits),
  ];
}
