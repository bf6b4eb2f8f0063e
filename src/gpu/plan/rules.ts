/** What the GPU executor fuses. A dispatch costs microseconds whatever it does, so fewer steps are the point; values in between cost little. */
import type { FusionContext, FusionRule } from '../../graph/plan.ts';
import type { Value } from '../../graph/value.ts';
import type { AttentionOp, GpuOp, GpuStep, HeadPreparation, LinearOp, Rounding } from './gpu-op.ts';

type Context = FusionContext<GpuOp>;
type StepOf<Op extends GpuOp> = GpuStep & { readonly op: Op };
type OpOf<Kind extends GpuOp['kind']> = GpuOp & { readonly kind: Kind };

function isStep<Kind extends GpuOp['kind']>(step: GpuStep | undefined, kind: Kind): step is StepOf<OpOf<Kind>> {
  return step?.op.kind === kind;
}

/** True when only one step reads the value, so that it need not exist by itself. */
function isPrivate(value: Value, context: Context): boolean {
  return !context.isKept(value) && context.consumersOf(value).length === 1;
}

/** The step of a kind that makes `value` for one reader only. */
function privateProducer<Kind extends GpuOp['kind']>(value: Value | undefined, kind: Kind, context: Context) {
  if (value === undefined || !isPrivate(value, context)) return undefined;
  const step = context.producerOf(value);
  return isStep(step, kind) ? step : undefined;
}

function widthOf(value: Value): number {
  return value.shape[1] as number;
}

/** A product of one matrix and nothing else. */
function isPlain({ parts, norm, gated, residual, rounding }: LinearOp): boolean {
  return parts.length === 1 && norm === undefined && !gated && !residual && rounding === undefined;
}

/** gather and norm in either order: only the rows that are wanted are normed. */
const gatherNorm: FusionRule<GpuOp> = {
  name: 'gather-norm',
  match(step, context) {
    if (isStep(step, 'norm') && !step.op.gather) {
      const gather = privateProducer(step.inputs[0], 'gather', context);
      if (gather === undefined) return undefined;
      return { replaced: [gather, step], by: { ...step, op: { ...step.op, gather: true }, inputs: gather.inputs } };
    }
    if (!isStep(step, 'gather')) return undefined;
    const norm = privateProducer(step.inputs[0], 'norm', context);
    if (norm === undefined || norm.op.gather) return undefined;
    const inputs = [norm.inputs[0] as Value, step.inputs[1] as Value];
    return { replaced: [norm, step], by: { op: { ...norm.op, gather: true }, inputs, outputs: step.outputs, label: norm.label } };
  },
};

/** norm and rounding: the division by the root of the mean square is left to those who read the codes. */
const normQuantize: FusionRule<GpuOp> = {
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

/** Rows of two matrices that alternate in one: a workgroup owns gate and up of the same columns. */
const GATED_ROWS = 16;

/** silu(gate x) * (up x) in one product of interleaved rows. */
function gatedLinear(typeOf: (id: string) => string): FusionRule<GpuOp> {
  return {
    name: 'gate-up-swiglu',
    match(step, context) {
      if (!isStep(step, 'swiglu')) return undefined;
      const gate = privateProducer(step.inputs[0], 'linear', context);
      const up = privateProducer(step.inputs[1], 'linear', context);
      if (gate === undefined || up === undefined || gate === up || !isPlain(gate.op) || !isPlain(up.op)) return undefined;
      const parts = [...gate.op.parts, ...up.op.parts];
      const [first, second] = parts.map(({ weight }) => typeOf(weight.id));
      const sameInput = gate.inputs[0]?.id === up.inputs[0]?.id;
      if (!sameInput || first !== second || parts.some(({ bias }) => bias !== undefined) || widthOf(step.outputs[0] as Value) % GATED_ROWS !== 0) return undefined;
      const op: LinearOp = { ...gate.op, parts, gated: true };
      return { replaced: [gate, up, step], by: { op, inputs: gate.inputs, outputs: step.outputs, label: step.label } };
    },
  };
}

/** W x + residual in the product's epilogue. */
const linearResidual: FusionRule<GpuOp> = {
  name: 'linear-residual',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    for (const [own, other] of [[0, 1], [1, 0]] as const) {
      const product = step.inputs[own];
      const residual = step.inputs[other];
      const linear = privateProducer(product, 'linear', context);
      if (linear === undefined || residual === undefined || product?.id === residual.id || !isPlain(linear.op)) continue;
      const inputs = [linear.inputs[0] as Value, residual];
      return { replaced: [linear, step], by: { op: { ...linear.op, residual: true }, inputs, outputs: step.outputs, label: linear.label } };
    }
    return undefined;
  },
};

type HeadsInput = 'q' | 'k';

/** Rotation, or a norm of each head, as attention reads q or k. Rotation comes last, so it is taken in first. */
function headsIntoAttention(name: string, kind: 'rope' | 'norm'): FusionRule<GpuOp> {
  return {
    name,
    match(step, context) {
      if (!isStep(step, 'attention')) return undefined;
      const inputs = [...step.inputs];
      const replaced: GpuStep[] = [];
      let op: AttentionOp = step.op;
      for (const [i, own] of [[0, 'q'], [1, 'k']] as const satisfies readonly (readonly [number, HeadsInput])[]) {
        const maker = privateProducer(inputs[i], kind, context);
        const preparation = maker && preparationWith(op, own, maker);
        if (maker === undefined || preparation === undefined) continue;
        op = { ...op, [own]: preparation };
        inputs[i] = maker.inputs[0] as Value;
        replaced.push(maker);
      }
      return replaced.length === 0 ? undefined : { replaced: [...replaced, step], by: { ...step, op, inputs } };
    },
  };
}

function preparationWith(op: AttentionOp, own: HeadsInput, { op: maker }: GpuStep): HeadPreparation | undefined {
  const present = op[own];
  if (present.norm !== undefined) return undefined;
  if (maker.kind === 'rope') return present.table === undefined ? { ...present, table: maker.table } : undefined;
  const heads = own === 'q' ? op.heads : op.kvHeads;
  if (maker.kind !== 'norm' || maker.gather || maker.groups !== heads) return undefined;
  return { ...present, norm: { weight: maker.weight, eps: maker.eps } };
}

/** q, k and v of one input as one product, which attention reads row by row. */
const joinedQkv: FusionRule<GpuOp> = {
  name: 'joined-qkv',
  match(step, context) {
    if (!isStep(step, 'attention') || step.op.joined) return undefined;
    const [q, k, v, ...rest] = step.inputs;
    const linears = [q, k, v].map((value) => privateProducer(value, 'linear', context));
    const [first] = linears;
    const products = linears.filter((linear) => linear !== undefined && isPlain(linear.op) && linear.inputs[0]?.id === first?.inputs[0]?.id) as StepOf<LinearOp>[];
    if (first === undefined || products.length !== 3 || new Set(products).size !== 3) return undefined;
    const width = [q, k, v].reduce((sum, value) => sum + widthOf(value as Value), 0);
    const label = products.map((product) => product.label).join('+');
    // q does not exist by itself any more, so the joined value may have its id.
    const joined: Value = { ...(q as Value), shape: [(q as Value).shape[0] as Value['shape'][0], width], label };
    const product: GpuStep = { op: { ...first.op, parts: products.flatMap(({ op }) => op.parts) }, inputs: first.inputs, outputs: [joined], label };
    return { replaced: [...products, step], by: [product, { ...step, op: { ...step.op, joined: true }, inputs: [joined, ...rest] }] };
  },
};

/** A norm that one product reads: every subgroup sees all of x, so the squares cost it little. */
const normPrologue: FusionRule<GpuOp> = {
  name: 'norm-prologue',
  match(step, context) {
    if (!isStep(step, 'linear') || step.op.norm !== undefined) return undefined;
    const norm = privateProducer(step.inputs[0], 'norm', context);
    if (norm === undefined || norm.op.groups !== 1 || norm.op.gather) return undefined;
    const op: LinearOp = { ...step.op, norm: { weight: norm.op.weight, eps: norm.op.eps } };
    return { replaced: [norm, step], by: { ...step, op, inputs: [norm.inputs[0] as Value, ...step.inputs.slice(1)] } };
  },
};

/** Rounding to int8 in the epilogue of whoever makes the values; the floats are written only where something else reads them. */
const quantizeEpilogue: FusionRule<GpuOp> = {
  name: 'quantize-epilogue',
  match(step, context) {
    const floats = step.inputs[0];
    if (!isStep(step, 'quantize') || step.op.gather || floats === undefined) return undefined;
    const maker = context.producerOf(floats);
    const op = maker && roundedBy(maker, { norm: step.op.norm });
    if (maker === undefined || op === undefined) return undefined;
    const outputs = isPrivate(floats, context) ? step.outputs : [floats, ...step.outputs];
    return { replaced: [maker, step], by: { ...maker, op, outputs } };
  },
};

/** The op of `maker` with rounding, where its kernels can: whole blocks must belong to one workgroup. */
function roundedBy({ op, outputs }: GpuStep, rounding: Rounding): GpuOp | undefined {
  if (outputs.length !== 1) return undefined;
  switch (op.kind) {
    case 'linear':
      return op.parts.length === 1 || op.gated ? { ...op, rounding } : undefined;
    case 'embed':
      return rounding.norm === undefined ? undefined : { ...op, rounding };
    case 'attention':
      return rounding.norm === undefined && op.headDim % 16 === 0 ? op : undefined;
    case 'swiglu':
      return rounding.norm === undefined ? op : undefined;
    default:
      return undefined;
  }
}

/** In the order in which they run: each may rely on what the ones before it left. */
export function gpuRules(typeOf: (id: string) => string): readonly FusionRule<GpuOp>[] {
  return [
    gatherNorm, normQuantize, gatedLinear(typeOf), linearResidual,
    headsIntoAttention('rope-attention', 'rope'), headsIntoAttention('head-norm-attention', 'norm'),
    joinedQkv, normPrologue, quantizeEpilogue,
  ];
}
