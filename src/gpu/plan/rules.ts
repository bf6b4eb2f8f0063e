/**
 * What the GPU executor fuses. A dispatch costs microseconds whatever it does, so fewer steps are the point; values in between cost
 * little.
 */
import { gatedConvolution, gatedPair, gatheredNorm, isPrivate, isStep, privateProducer, residualSum } from '../../graph/patterns.ts';
import type { FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { AttentionOp } from '../ops/attention-op.ts';
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import { isPlainProduct } from '../ops/linear-op.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import type { NormOp } from '../ops/rms-norm.ts';
import { gatedExperts, residualExperts, scaledRoute, sharedNorm, summedExperts } from './expert-rules.ts';
import { gatedAttention } from './gated-attention.ts';
import { embedSum } from './embed-sum.ts';
import { outerOf } from './gpu-value.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';
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

const HEADS_INPUTS = ['q', 'k', 'v'] as const;

type HeadsInput = (typeof HEADS_INPUTS)[number];

/** Rotation, or a norm of each head, as attention reads q, k or v. Rotation comes last, so it is taken in first. */
function headsIntoAttention(name: string, kind: 'rope' | 'norm'): Rule {
  return {
    name,
    match(step, context) {
      if (!isStep(step, 'attention')) return undefined;
      const inputs = [...step.inputs];
      const replaced: GpuStep[] = [];
      let op: AttentionOp = step.op;
      for (const [i, own] of HEADS_INPUTS.slice(0, op.stored ? 1 : 3).entries()) {
        const maker = privateProducer(inputs[i], kind, context);
        const shift = maker?.op.kind === 'rope' ? maker.inputs[2] : undefined;
        // Heads that turn by several positions, as those of images do, are turned before.
        const turnsApart = maker?.op.kind === 'rope' && (maker.inputs[1]?.id !== inputs.at(-1)?.id || (op.stored && shift !== undefined));
        const prepared = turnsApart ? undefined : maker && withPreparation(op, own, maker);
        if (maker === undefined || prepared === undefined) continue;
        if (shift !== undefined && !op.shifted) inputs.splice(-1, 0, shift);
        op = shift === undefined ? prepared : { ...prepared, shifted: true };
        inputs[i] = maker.inputs[0] as GpuValue;
        replaced.push(maker);
      }
      return replaced.length === 0 ? undefined : { replaced: [...replaced, step], by: { ...step, op, inputs } };
    },
  };
}

/** The op with a rotation or norm of an input; undefined where it has no place for it. */
function withPreparation(op: AttentionOp, own: HeadsInput, { op: maker }: GpuStep): AttentionOp | undefined {
  if (maker.kind === 'rope') {
    if (own === 'v' || op[own].norm !== undefined || op[own].table !== undefined) return undefined;
    return { ...op, [own]: { ...op[own], table: maker.table } };
  }
  const heads = own === 'q' ? op.heads : op.state.heads;
  if (maker.kind !== 'norm' || maker.gather || maker.groups !== heads) return undefined;
  const norm = { weight: maker.weight, eps: maker.eps };
  if (own === 'v') return op.vNorm === undefined && 'fill' in norm.weight ? { ...op, vNorm: norm } : undefined;
  return op[own].norm === undefined ? { ...op, [own]: { ...op[own], norm } } : undefined;
}

/** q, k and v of one input as one product, which attention reads row by row. */
const joinedQkv: Rule = {
  name: 'joined-qkv',
  match(step, context) {
    if (!isStep(step, 'attention') || step.op.joined || step.op.stored) return undefined;
    const [q, k, v, ...rest] = step.inputs;
    const linears = [q, k, v].map((value) => privateProducer(value, 'linear', context));
    const [first] = linears;
    const products = linears.filter(
      (linear) => linear !== undefined && isPlainProduct(linear.op) && linear.inputs[0]?.id === first?.inputs[0]?.id,
    ) as GpuStepOf<LinearOp>[];
    if (first === undefined || products.length !== 3 || new Set(products).size !== 3) return undefined;
    const width = [q, k, v].reduce((sum, value) => sum + widthOf(value as GpuValue), 0);
    const label = products.map((product) => product.label).join('+');
    // q does not exist by itself any more, so the joined value may have its id.
    const joined: GpuValue = { ...(q as GpuValue), shape: [(q as GpuValue).shape[0] as GpuValue['shape'][0], width], label };
    const product: GpuStep = {
      op: { ...first.op, parts: products.flatMap(({ op }) => op.parts) },
      inputs: first.inputs,
      outputs: [joined],
      label,
    };
    return { replaced: [...products, step], by: [product, { ...step, op: { ...step.op, joined: true }, inputs: [joined, ...rest] }] };
  },
};

/** A product that a norm over its whole row reads, alone or before a rotation. */
function normedProduct(value: GpuValue | undefined, context: Parameters<Rule['match']>[1]) {
  const norm = privateProducer(value, 'norm', context);
  const product = norm && privateProducer(norm.inputs[0], 'linear', context);
  return norm === undefined || product === undefined || norm.op.groups !== 1 || norm.op.gather ? undefined : { norm, product };
}

/** q, k and v of one input as one product, of which q and k are normed over their whole rows before attention reads them. */
const joinedRowNorms: Rule = {
  name: 'joined-row-norms',
  match(step, context) {
    if (!isStep(step, 'attention') || step.op.joined || step.op.stored) return undefined;
    const [q, k, v, ...rest] = step.inputs;
    const normed = [q, k].map((value) => normedProduct(value, context));
    const products = [...normed.map((each) => each?.product), privateProducer(v, 'linear', context)];
    const [first] = products;
    const isJoined = products.every((product) => product && isPlainProduct(product.op) && product.inputs[0]?.id === first?.inputs[0]?.id);
    if (first === undefined || !isJoined || new Set(products).size !== 3) return undefined;
    const all = products as GpuStepOf<LinearOp>[];
    const norms = normed.map((each) => each?.norm as GpuStepOf<NormOp>);
    const parts = all.map(({ outputs: [y] }, i) => {
      const norm = norms[i]?.op;
      return { width: widthOf(y as GpuValue), norm: norm && { weight: norm.weight, eps: norm.eps } };
    });
    const shape = [outerOf(q as GpuValue), parts.reduce((sum, { width }) => sum + width, 0)] as const;
    const label = all.map((product) => product.label).join('+');
    // Neither q by itself nor what becomes of it in a norm exists any more, so the joined values may have their ids.
    const joined: GpuValue = { ...(first.outputs[0] as GpuValue), shape, label };
    const ready: GpuValue = { ...(q as GpuValue), shape, label: norms.map((norm) => norm.label).join('+') };
    const product: GpuStep = { ...first, op: { ...first.op, parts: all.flatMap(({ op }) => op.parts) }, outputs: [joined], label };
    const norm: GpuStep = { op: { kind: 'normParts', parts }, inputs: [joined], outputs: [ready], label: ready.label };
    const attend: GpuStep = { ...step, op: { ...step.op, joined: true }, inputs: [ready, ...rest] };
    return { replaced: [...all, ...norms, step], by: [product, norm, attend] };
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

/** In the order in which they run: each may rely on what the ones before it left. `sumSuits`: for plans of one row. */
export function gpuRules(
  typeOf: (id: string) => string, sumSuits: (found: SumProduct) => boolean = () => false,
): readonly Rule[] {
  return [
    scaleNorm, gatherNorm, normQuantize, normResidual, normResidualScale, embedSum,
    convolutionGates, convolutionActivation, deltaNet(typeOf),
    gatedLinear(typeOf), columnsActivation, linearActivation, linearSoftcap, linearResidual,
    scaledRoute, gatedExperts(typeOf), sharedExpert(typeOf), summedExperts, residualExperts,
    headsIntoAttention('rope-attention', 'rope'), headsIntoAttention('head-norm-attention', 'norm'),
    joinedQkv, gatedAttention(typeOf), joinedRowNorms, sharedNorm, normPrologue, quantizeEpilogue, sumProduct(sumSuits),
  ];
}
