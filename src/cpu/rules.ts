/** What the CPU executor fuses: fewer barriers, and values that stay in a core's cache instead of going through memory. */
import type { FusionContext, FusionRule } from '../graph/plan.ts';
import type { Value } from '../graph/value.ts';
import { sourceId } from './cpu-op.ts';
import type { AttentionStepOp, CpuOp, CpuStep, HeadPreparation, LinearPart, LinearsStepOp, NormStepOp, RotateStepOp } from './cpu-op.ts';

type Context = FusionContext<CpuOp>;
type StepOf<Op extends CpuOp> = CpuStep & { readonly op: Op };

function isStep<Kind extends CpuOp['kind']>(step: CpuStep | undefined, kind: Kind): step is StepOf<CpuOp & { kind: Kind }> {
  return step?.op.kind === kind;
}

/** True when only one step reads the value, so that it need not exist by itself. */
function isPrivate(value: Value, context: Context): boolean {
  return !context.isKept(value) && context.consumersOf(value).length === 1;
}

/** The step of a kind that makes `value` for one reader only. */
function privateProducer<Kind extends CpuOp['kind']>(value: Value | undefined, kind: Kind, context: Context) {
  if (value === undefined || !isPrivate(value, context)) return undefined;
  const step = context.producerOf(value);
  return isStep(step, kind) ? step : undefined;
}

/** A linears step of one matrix and nothing else. */
function plainLinear(step: StepOf<LinearsStepOp> | undefined): LinearPart | undefined {
  const [part, ...others] = step?.op.parts ?? [];
  return others.length === 0 && part?.residual === undefined ? part : undefined;
}

/** gather and norm in either order: only the rows that are wanted are normed. */
const gatherNorm: FusionRule<CpuOp> = {
  name: 'gather-norm',
  match(step, context) {
    if (isStep(step, 'norm') && !step.op.gather) {
      const gather = privateProducer(step.inputs[0], 'gather', context);
      if (gather === undefined) return undefined;
      const op: NormStepOp = { ...step.op, gather: true };
      return { replaced: [gather, step], by: { op, inputs: gather.inputs, outputs: step.outputs, label: step.label } };
    }
    if (!isStep(step, 'gather')) return undefined;
    const norm = privateProducer(step.inputs[0], 'norm', context);
    if (norm === undefined || norm.op.gather || norm.outputs.length > 1) return undefined;
    const inputs = [norm.inputs[0] as Value, step.inputs[1] as Value];
    return { replaced: [norm, step], by: { op: { ...norm.op, gather: true }, inputs, outputs: step.outputs, label: norm.label } };
  },
};

/** norm and int8 rounding of its result; the floats are written only where something else reads them. */
const normQuantize: FusionRule<CpuOp> = {
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

/** silu(gate x) * (up x) chunk by chunk: neither product is written to memory as a whole. */
const gatedLinears: FusionRule<CpuOp> = {
  name: 'gate-up-swiglu',
  match(step, context) {
    if (!isStep(step, 'swiglu')) return undefined;
    const gateStep = privateProducer(step.inputs[0], 'linears', context);
    const upStep = privateProducer(step.inputs[1], 'linears', context);
    const gate = plainLinear(gateStep);
    const up = plainLinear(upStep);
    if (gateStep === undefined || upStep === undefined || gate === undefined || up === undefined || gateStep === upStep) return undefined;
    const op: CpuOp = { kind: 'gated', gate: { ...gate, x: 0 }, up: { ...up, x: 1 } };
    const inputs = [gateStep.inputs[gate.x] as Value, upStep.inputs[up.x] as Value];
    return { replaced: [gateStep, upStep, step], by: { op, inputs, outputs: step.outputs, label: step.label } };
  },
};

/** Matrices that read one value (q, k and v) in one step, whatever their types. */
const sharedInput: FusionRule<CpuOp> = {
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
const linearResidual: FusionRule<CpuOp> = {
  name: 'linear-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    for (const [own, other] of [[0, 1], [1, 0]] as const) {
      const product = step.inputs[own];
      const residual = step.inputs[other];
      const linear = privateProducer(product, 'linears', context);
      const part = plainLinear(linear);
      if (linear === undefined || part === undefined || residual === undefined || product?.id === residual.id) continue;
      const inputs = [linear.inputs[part.x] as Value, residual];
      const op: CpuOp = { kind: 'linears', parts: [{ ...part, x: 0, residual: 1 }] };
      return { replaced: [linear, step], by: { op, inputs, outputs: step.outputs, label: linear.label } };
    }
    return undefined;
  },
};

/** Per-head norm and rotation in one pass over the heads. */
const normRotate: FusionRule<CpuOp> = {
  name: 'head-norm-rope',
  match(step, context) {
    if (!isStep(step, 'rotate') || step.op.norm !== undefined) return undefined;
    const norm = privateProducer(step.inputs[0], 'norm', context);
    if (norm === undefined || norm.op.gather || norm.outputs.length > 1 || norm.op.groups !== step.op.heads) return undefined;
    const op: RotateStepOp = { ...step.op, norm: { weight: norm.op.weight, eps: norm.op.eps } };
    const inputs = [norm.inputs[0] as Value, ...step.inputs.slice(1)];
    return { replaced: [norm, step], by: { op, inputs, outputs: step.outputs, label: step.label } };
  },
};

/** Rotation of q in place and of k on its way to the cache, in attention's first phase. */
const rotateAttention: FusionRule<CpuOp> = {
  name: 'rope-attention',
  match(step, context) {
    if (!isStep(step, 'attention')) return undefined;
    const q = absorbable(step.inputs[0], step.op.q, context);
    const k = absorbable(step.inputs[1], step.op.k, context);
    // In place: nothing else may read the heads as they were.
    const rotatesQ = q !== undefined && isPrivate(q.inputs[0] as Value, context);
    const replaced: CpuStep[] = [...(rotatesQ ? [q] : []), ...(k ? [k] : []), step];
    if (replaced.length === 1) return undefined;
    const inputs = [...step.inputs];
    if (rotatesQ) inputs[0] = q.inputs[0] as Value;
    if (k) inputs[1] = k.inputs[0] as Value;
    const op: AttentionStepOp = { ...step.op, q: rotatesQ ? preparationOf(q) : step.op.q, k: k ? preparationOf(k) : step.op.k };
    return { replaced, by: { ...step, op, inputs } };
  },
};

function absorbable(value: Value | undefined, present: HeadPreparation, context: Context) {
  if (present.norm !== undefined || present.table !== undefined) return undefined;
  return privateProducer(value, 'rotate', context);
}

function preparationOf({ op }: StepOf<RotateStepOp>): HeadPreparation {
  return { norm: op.norm, table: op.table };
}

/** In the order in which they run: each may rely on what the ones before it left. */
export const CPU_RULES: readonly FusionRule<CpuOp>[] = [
  gatherNorm, normQuantize, gatedLinears, sharedInput, linearResidual, normRotate, rotateAttention,
];
