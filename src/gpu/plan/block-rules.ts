/**
 * Rules for small transformers whose rows are each alone in their sequence, and make some positions of it one after another in one run
 * (LFM2-Audio's codes of a frame): a layer is two blocks, and the head behind the last one a third.
 */
import { isPrivate, isStep, privateProducer } from '../../graph/patterns.ts';
import type { FusionContext, FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { WeightRef } from '../../graph/value.ts';
import type { AttentionOp } from '../ops/attention-op.ts';
import { blockVariantOf, vectorsOf } from '../ops/block.ts';
import type { BlockOp } from '../ops/block.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import type { DeviceChoices } from './device-limits.ts';
import type { NormWeight } from './gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';

type Context = FusionContext<GpuOp, GpuValue>;
type Rule = FusionRule<GpuOp, GpuValue>;

/** Positions that a workgroup has all keys of. */
const MOST_POSITIONS = 32;

/** A value before it is rounded for a product that alone reads it. */
function unrounded(value: GpuValue | undefined, context: Context) {
  const rounding = privateProducer(value, 'quantize', context);
  if (rounding === undefined || rounding.op.norm !== undefined || rounding.op.gather) return { value, steps: [] };
  return { value: rounding.inputs[0], steps: [rounding] };
}

interface NormedInput {
  readonly x: GpuValue;
  readonly norm: NormWeight;
  readonly step: GpuStep;
  readonly activations: BlockOp['activations'];
}

/** The norm of x that one product alone reads, rounded or not. */
function normedInput(product: GpuStepOf<LinearOp>, context: Context): NormedInput | undefined {
  const [input] = product.inputs;
  const rounding = privateProducer(input, 'quantize', context);
  if (rounding?.op.norm && !rounding.op.gather)
    return { x: rounding.inputs[0] as GpuValue, norm: rounding.op.norm, step: rounding, activations: 'int8' };
  const norm = privateProducer(input, 'norm', context);
  if (norm === undefined || norm.op.groups !== 1 || norm.op.gather) return undefined;
  return { x: norm.inputs[0] as GpuValue, norm: norm.op, step: norm, activations: 'float' };
}

/** The matrices of a product that is nothing else but what `ends` says, where they are of one type. */
function weightsOf(
  { op }: GpuStepOf<LinearOp>, ends: Partial<Pick<LinearOp, 'gated' | 'residual'>>, { options: { typeOf } }: DeviceChoices,
): readonly WeightRef[] | undefined {
  const { gated = false, residual = false } = ends;
  const isBare = !op.sum && !op.norm && !op.activation && !op.rounding && op.gated === gated && op.residual === residual;
  const weights = op.parts.map(({ weight }) => weight);
  const isOfOneType = weights.every(({ id }) => typeOf(id) === typeOf(weights[0]!.id));
  return isBare && isOfOneType && op.parts.every(({ bias }) => bias === undefined) ? weights : undefined;
}

/** Whether attention is no more than a block's. */
function isFew({ state, joined, stored, causal, ...op }: AttentionOp): boolean {
  const isPlain = !op.softcap && !op.sinks && !op.temperature && !op.window && !op.vNorm && !op.gated && !op.shifted;
  return isPlain && joined && !stored && causal && !state.memory && (state.positions ?? Infinity) <= MOST_POSITIONS;
}

/** What becomes of steps that end in x + a product, the product of what `between` makes. */
interface HalfLayer {
  readonly op: BlockOp;
  readonly x: GpuValue;
  readonly positions: readonly GpuValue[];
  /** The value between the products, which is no more. */
  readonly between: GpuValue;
  readonly replaced: readonly GpuStep[];
}

/** A block and the sum of its vectors, which has the id of what it is in place of. */
function blockOf({ op, x, positions, between, replaced }: HalfLayer, last: GpuStep, { check, options }: DeviceChoices) {
  const width = widthOf(x);
  const variant = blockVariantOf(op, 1, options);
  if (variant === undefined) return undefined;
  const [outer] = x.shape as readonly [GpuValue['shape'][0]];
  const vectors: GpuValue = { ...between, dtype: 'f32', shape: [outer, vectorsOf(variant) * width], label: last.label };
  const block: GpuStep = { op, inputs: [x, ...positions], outputs: [vectors], label: last.label };
  if (check(block) !== undefined) return undefined;
  const sum: GpuStep = { op: { kind: 'sumParts' }, inputs: [vectors], outputs: last.outputs, label: `${last.label}.sum` };
  return { replaced: [...replaced, last], by: [block, sum] };
}

/** x + a product, the second of a block. */
function secondProduct(step: GpuStep, context: Context, choices: DeviceChoices) {
  if (!isStep(step, 'linear') || step.outputs.length !== 1) return undefined;
  const weights = weightsOf(step, { residual: true }, choices);
  const [input, residual] = step.inputs;
  if (weights?.length !== 1 || residual === undefined) return undefined;
  return { step, weight: weights[0]!, residual, ...unrounded(input, context) };
}

/** Whether both products read values of one kind, and the first x that is added in the end. */
function isHalfLayer(normed: NormedInput | undefined, second: NonNullable<ReturnType<typeof secondProduct>>): normed is NormedInput {
  const isRounded = second.steps.length > 0;
  return normed !== undefined && normed.x.id === second.residual.id && isRounded === (normed.activations === 'int8');
}

/** norm, q, k and v, attention, output product and residual. */
function attentionBlock(choices: DeviceChoices): Rule {
  return {
    name: 'attention-block',
    match(step, context) {
      const second = secondProduct(step, context, choices);
      const attention = second && privateProducer(second.value, 'attention', context);
      if (second === undefined || attention === undefined || !isFew(attention.op)) return undefined;
      const first = privateProducer(attention.inputs[0], 'linear', context);
      const weights = first && weightsOf(first, {}, choices);
      const normed = first && normedInput(first, context);
      if (first === undefined || weights === undefined || !isHalfLayer(normed, second)) return undefined;
      const { norm, x, activations } = normed;
      const { op: own } = attention;
      const op: BlockOp = {
        kind: 'block', norm: { weight: norm.weight, eps: norm.eps }, first: weights, middle: { kind: 'attention', attention: own },
        second: second.weight, activations, state: own.state,
      };
      const replaced = [normed.step, first, attention, ...second.steps];
      const positions = [attention.inputs.at(-1) as GpuValue];
      return blockOf({ op, x, positions, between: attention.outputs[0] as GpuValue, replaced }, step, choices);
    },
  };
}

/** norm, gate, up and activation, down and residual, behind a block of attention. */
function gatedBlock(choices: DeviceChoices): Rule {
  return {
    name: 'gated-block',
    match(step, context) {
      const second = secondProduct(step, context, choices);
      const first = second && privateProducer(second.value, 'linear', context);
      if (second === undefined || first === undefined || !first.op.gated) return undefined;
      const weights = weightsOf(first, { gated: first.op.gated }, choices);
      const normed = normedInput(first, context);
      if (weights === undefined || !isHalfLayer(normed, second) || !isStep(context.producerOf(normed.x), 'sumParts')) return undefined;
      const { norm, x, activations } = normed;
      const op: BlockOp = {
        kind: 'block', norm: { weight: norm.weight, eps: norm.eps }, first: weights, middle: { kind: 'gated', fn: first.op.gated },
        second: second.weight, activations, state: undefined,
      };
      const replaced = [normed.step, first, ...second.steps];
      return blockOf({ op, x, positions: [], between: first.outputs[0] as GpuValue, replaced }, step, choices);
    },
  };
}

/** The norm behind the last block and the head. */
function headBlock(choices: DeviceChoices): Rule {
  return {
    name: 'head-block',
    match(step, context) {
      if (!isStep(step, 'linear') || step.outputs.length !== 1) return undefined;
      const weights = weightsOf(step, {}, choices);
      const normed = normedInput(step, context);
      if (weights?.length !== 1 || normed === undefined || !isStep(context.producerOf(normed.x), 'sumParts')) return undefined;
      const { norm, x, activations } = normed;
      const op: BlockOp = {
        kind: 'block', norm: { weight: norm.weight, eps: norm.eps }, first: weights, middle: { kind: 'none' }, second: undefined,
        activations, state: undefined,
      };
      const block: GpuStep = { ...step, op, inputs: [x] };
      return choices.check(block) === undefined ? { replaced: [normed.step, step], by: block } : undefined;
    },
  };
}

/** The sum of a block's vectors that another block alone reads, which makes it for itself. */
function blockOfVectors({ check }: DeviceChoices): Rule {
  return {
    name: 'block-of-vectors',
    match(step, context) {
      if (!isStep(step, 'block')) return undefined;
      const [x, ...positions] = step.inputs as readonly [GpuValue, ...GpuValue[]];
      const sum = context.producerOf(x);
      if (!isStep(sum, 'sumParts') || !isPrivate(x, context)) return undefined;
      const by: GpuStep = { ...step, inputs: [sum.inputs[0] as GpuValue, ...positions] };
      return check(by) === undefined ? { replaced: [sum, step], by } : undefined;
    },
  };
}

/** In the order in which they run. */
export function blockFusions(choices: DeviceChoices): readonly Rule[] {
  return [attentionBlock(choices), gatedBlock(choices), headBlock(choices), blockOfVectors(choices)];
}
