/** What the CPU executor fuses: fewer barriers, and values that stay in a core's cache instead of going through memory. */
import { gatedConvolution, gatedPair, gatheredNorm, isPrivate, isStep, privateProducer, residualSum } from '../graph/patterns.ts';
import type { FusionContext, FusionRule } from '../graph/plan.ts';
import { sourceId } from './cpu-value.ts';
import type { CpuStepOf, CpuValue } from './cpu-value.ts';
import { DELTA_NET_RULES } from './delta-net-rules.ts';
import { EXPERT_RULES } from './expert-rules.ts';
import { INPUT_RULES } from './input-rules.ts';
import type { AttentionStepOp } from './ops/attention.ts';
import type { CpuOp, CpuStep } from './ops/index.ts';
import type { LinearPart, LinearsStepOp } from './ops/linear.ts';
import type { NormStepOp } from './ops/norm.ts';
import type { HeadPreparation, RotateStepOp } from './ops/rope.ts';

type Context = FusionContext<CpuOp, CpuValue>;
type Rule = FusionRule<CpuOp, CpuValue>;

/** A linears step of one matrix and nothing else. */
function plainLinear(step: CpuStepOf<LinearsStepOp> | undefined): LinearPart | undefined {
  const [part, ...others] = step?.op.parts ?? [];
  return others.length === 0 && part?.residual === undefined ? part : undefined;
}

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

/** norm(y) + x: the sum is made while the norm's row is in cache. */
const normResidual: Rule = {
  name: 'norm-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    const accepts = ({ op }: CpuStepOf<NormStepOp>) => !op.gather && !op.residual;
    const sum = residualSum<CpuOp, CpuValue, 'norm'>(step, 'norm', { context, accepts });
    if (sum === undefined) return undefined;
    const { maker, residual } = sum;
    const op: CpuOp = { ...maker.op, residual: true };
    const inputs = [maker.inputs[0] as CpuValue, residual];
    return { replaced: [maker, step], by: { op, inputs, outputs: step.outputs, label: step.label } };
  },
};

/** norm and int8 rounding of its result; the floats are written only where something else reads them. */
const normQuantize: Rule = {
  name: 'norm-quantize',
  match(step, context) {
    const floats = step.inputs[0];
    if (!isStep(step, 'quantize') || floats === undefined) return undefined;
    const norm = context.producerOf(floats);
    if (!isStep(norm, 'norm') || norm.outputs.length > 1) return undefined;
    const outputs = isPrivate(floats, context) ? step.outputs : [floats, ...step.outputs];
    return { replaced: [norm, step], by: { ...norm, outputs } };
  },
};

/** fn(gate x) * (up x) chunk by chunk: neither product is written to memory as a whole. */
const gatedLinears: Rule = {
  name: 'gate-up-activation',
  match(step, context) {
    const pair = isStep(step, 'activation') ? gatedPair<CpuOp, CpuValue, 'linears'>(step, 'linears', context) : undefined;
    const gate = plainLinear(pair?.gate);
    const up = plainLinear(pair?.up);
    if (!isStep(step, 'activation') || pair === undefined || gate === undefined || up === undefined) return undefined;
    const { fn, clamp } = step.op;
    const op: CpuOp = { kind: 'gated', fn, clamp, gate: { ...gate, x: 0 }, up: { ...up, x: 1 }, quantizes: false };
    const inputs = [pair.gate.inputs[gate.x] as CpuValue, pair.up.inputs[up.x] as CpuValue];
    return { replaced: [pair.gate, pair.up, step], by: { op, inputs, outputs: step.outputs, label: step.label } };
  },
};

/** A convolution with both of its gates, which reads the product that makes all three of their parts. */
const convolutionGates: Rule = {
  name: 'convolution-gates',
  match(step, context) {
    const found = gatedConvolution(step, context);
    if (found === undefined || found.convolution.op.gates !== undefined) return undefined;
    const { convolution, gates, of, replaced } = found;
    return { replaced, by: { ...convolution, op: { ...convolution.op, gates }, inputs: [of], outputs: step.outputs } };
  },
};

/** Matrices that read one value (q, k and v) in one step, whatever their types. */
const sharedInput: Rule = {
  name: 'linears-of-one-input',
  match(step, context) {
    const x = step.inputs[0];
    if (x === undefined || !isStep(step, 'linears')) return undefined;
    const forms = [x, { ...x, id: -1 - x.id }];
    const readers = forms.flatMap((form) => context.consumersOf(form)).filter((reader) => isStep(reader, 'linears'));
    const group = [...new Set(readers)].filter((reader) => readsOnly(reader, sourceId(x)));
    if (group.length < 2 || !group.includes(step)) return undefined;
    const inputs = [...new Map(group.flatMap((reader) => reader.inputs).map((value) => [value.id, value])).values()];
    const parts = group.flatMap((reader) =>
      reader.op.parts.map((part) => ({ ...part, x: inputs.findIndex((value) => value.id === reader.inputs[part.x]?.id) })));
    const outputs = group.flatMap((reader) => reader.outputs);
    return { replaced: group, by: { op: { kind: 'linears', parts }, inputs, outputs, label: group.map(({ label }) => label).join('+') } };
  },
};

function readsOnly(step: CpuStep, id: number): boolean {
  return step.inputs.every((value) => sourceId(value) === id);
}

/** W x + residual: the sum is made while the product's rows are in cache. */
const linearResidual: Rule = {
  name: 'linear-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    const sum = residualSum<CpuOp, CpuValue, 'linears'>(step, 'linears', { context, accepts: (maker) => plainLinear(maker) !== undefined });
    const part = plainLinear(sum?.maker);
    if (sum === undefined || part === undefined) return undefined;
    const { maker, residual } = sum;
    const op: CpuOp = { kind: 'linears', parts: [{ ...part, x: 0, residual: 1 }] };
    return {
      replaced: [maker, step],
      by: { op, inputs: [maker.inputs[part.x] as CpuValue, residual], outputs: step.outputs, label: maker.label },
    };
  },
};

/** The norm of each of `heads` heads that makes a value for one reader only. */
function headNorm(value: CpuValue | undefined, heads: number, context: Context) {
  const norm = privateProducer(value, 'norm', context);
  if (norm === undefined || norm.outputs.length > 1) return undefined;
  const { gather, residual, centred, groups } = norm.op;
  return gather || residual || centred || groups !== heads ? undefined : norm;
}

/** Per-head norm and rotation in one pass over the heads. */
const normRotate: Rule = {
  name: 'head-norm-rope',
  match(step, context) {
    if (!isStep(step, 'rotate') || step.op.norm !== undefined) return undefined;
    const norm = headNorm(step.inputs[0], step.op.heads, context);
    if (norm === undefined) return undefined;
    const op: RotateStepOp = { ...step.op, norm: { weight: norm.op.weight, eps: norm.op.eps } };
    const inputs = [norm.inputs[0] as CpuValue, ...step.inputs.slice(1)];
    return { replaced: [norm, step], by: { op, inputs, outputs: step.outputs, label: step.label } };
  },
};

/** Norms and rotations of q in place, and of k and v on their way to the cache, in attention's first phase. */
const rotateAttention: Rule = {
  name: 'rope-attention',
  match(step, context) {
    if (!isStep(step, 'attention')) return undefined;
    const { heads, state, ...own } = step.op;
    const positions = step.inputs[3] as CpuValue;
    const q = absorbable(step.inputs[0], { present: own.q, heads, positions }, context);
    const k = absorbable(step.inputs[1], { present: own.k, heads: state.heads, positions }, context);
    const v = absorbable(step.inputs[2], { present: own.v, heads: state.heads, positions }, context);
    const shifts = [q, k].flatMap((maker) => maker?.inputs.slice(2) ?? []);
    if (new Set(shifts.map(({ id }) => id)).size > 1 || (shifts.length === 1 && q !== undefined && k !== undefined)) return undefined;
    // In place: nothing else may read the heads as they were.
    const taken = { q: q && isPrivate(q.inputs[0] as CpuValue, context) ? q : undefined, k, v };
    const replaced: CpuStep[] = [...Object.values(taken).filter((maker) => maker !== undefined), step];
    if (replaced.length === 1) return undefined;
    const inputs = [...step.inputs];
    [taken.q, k, v].forEach((maker, i) => void (maker && (inputs[i] = maker.inputs[0] as CpuValue)));
    if (shifts[0] !== undefined) inputs[4] = shifts[0];
    const op: AttentionStepOp = {
      ...step.op, q: preparationOf(taken.q) ?? own.q, k: preparationOf(k) ?? own.k, v: preparationOf(v) ?? own.v,
    };
    return { replaced, by: { ...step, op, inputs } };
  },
};

type HeadMaker = CpuStepOf<RotateStepOp> | CpuStepOf<NormStepOp>;

/** What prepares `heads` heads for attention alone, which does not prepare them yet. */
function absorbable(
  value: CpuValue | undefined,
  { present, heads, positions }: { readonly present: HeadPreparation; readonly heads: number; readonly positions: CpuValue },
  context: Context,
): HeadMaker | undefined {
  if (present.norm !== undefined || present.table !== undefined) return undefined;
  const turned = privateProducer(value, 'rotate', context);
  // Heads that turn by the positions of an image are prepared before.
  if (turned !== undefined) return turned.inputs[1]?.id === positions.id ? turned : undefined;
  return headNorm(value, heads, context);
}

function preparationOf(maker: HeadMaker | undefined): HeadPreparation | undefined {
  if (maker === undefined) return undefined;
  if (maker.op.kind === 'norm') return { norm: { weight: maker.op.weight, eps: maker.op.eps }, table: undefined };
  return { norm: maker.op.norm, table: maker.op.table };
}

/** In the order in which they run: each may rely on what the ones before it left. */
export const CPU_RULES: readonly Rule[] = [
  gatherNorm, normResidual, normQuantize, convolutionGates, ...DELTA_NET_RULES, gatedLinears, ...EXPERT_RULES, sharedInput,
  linearResidual, normRotate, rotateAttention, ...INPUT_RULES,
];
