/** What planners look for, whatever ops their plans are made of. */
import type { Step } from './graph.ts';
import type { ActivationOp } from './ops/activation.ts';
import type { ColumnsOp } from './ops/columns.ts';
import type { FusionContext } from './plan.ts';
import type { Value } from './value.ts';

type AnyOp = { readonly kind: string };
type AnyValue = Value<string>;
type StepOf<Op extends AnyOp, V extends AnyValue, Kind extends Op['kind']> = Step<Extract<Op, { readonly kind: Kind }>, V>;

export function isStep<Op extends AnyOp, V extends AnyValue, Kind extends Op['kind']>(
  step: Step<Op, V> | undefined,
  kind: Kind,
): step is StepOf<Op, V, Kind> {
  return step?.op.kind === kind;
}

/** True when only one step reads the value, so that it need not exist by itself. */
export function isPrivate<Op extends AnyOp, V extends AnyValue>(value: V, context: FusionContext<Op, V>): boolean {
  return !context.isKept(value) && context.consumersOf(value).length === 1;
}

/** The step of a kind that makes `value` for one reader only. */
export function privateProducer<Op extends AnyOp, V extends AnyValue, Kind extends Op['kind']>(
  value: V | undefined, kind: Kind, context: FusionContext<Op, V>,
): StepOf<Op, V, Kind> | undefined {
  if (value === undefined || !isPrivate(value, context)) return undefined;
  const step = context.producerOf(value);
  return isStep(step, kind) ? step : undefined;
}

/** A gated activation whose gate and up two different steps of one kind make for it alone. */
export function gatedPair<Op extends AnyOp, V extends AnyValue, Kind extends Op['kind']>(
  step: Step<Op, V>,
  kind: Kind,
  context: FusionContext<Op, V>,
) {
  if (step.inputs.length !== 2) return undefined;
  const gate = privateProducer(step.inputs[0], kind, context);
  const up = privateProducer(step.inputs[1], kind, context);
  return gate === undefined || up === undefined || gate === up ? undefined : { gate, up };
}

/** A sum one of whose terms a step of a kind makes for it alone, and `accepts`; the other term is the residual. */
export function residualSum<Op extends AnyOp, V extends AnyValue, Kind extends Op['kind']>(
  step: Step<Op, V>,
  kind: Kind,
  { context, accepts }: { readonly context: FusionContext<Op, V>; readonly accepts: (maker: StepOf<Op, V, Kind>) => boolean },
) {
  for (const [own, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const product = step.inputs[own];
    const residual = step.inputs[other];
    const maker = privateProducer(product, kind, context);
    if (maker !== undefined && residual !== undefined && product?.id !== residual.id && accepts(maker)) return { maker, residual };
  }
  return undefined;
}

/** A gather and a norm in either order: what both read and write as one step that norms only the rows that are wanted. */
export function gatheredNorm<Op extends AnyOp, V extends AnyValue, Norm extends Op['kind'], Gather extends Op['kind']>(
  step: Step<Op, V>, { norm, gather, context }: { readonly norm: Norm; readonly gather: Gather; readonly context: FusionContext<Op, V> },
) {
  if (isStep(step, norm)) {
    const before = privateProducer(step.inputs[0], gather, context);
    return before && { norm: step as StepOf<Op, V, Norm>, replaced: [before, step], inputs: before.inputs, outputs: step.outputs };
  }
  if (!isStep(step, gather)) return undefined;
  const before = privateProducer(step.inputs[0], norm, context);
  if (before === undefined || before.outputs.length > 1) return undefined;
  return { norm: before, replaced: [before, step], inputs: [before.inputs[0] as V, step.inputs[1] as V], outputs: step.outputs };
}

/** First columns of the three parts of a value that a convolution with gates reads: y = after * convolution(before * inner). */
export interface ConvolutionGates {
  readonly before: number;
  readonly inner: number;
  readonly after: number;
}

/** What describes them in a plan's print. */
export function describeGates({ before, inner, after }: ConvolutionGates): string {
  return `gates=${after}.. * (${before}.. * ${inner}..)`;
}

/** The columns that a step takes of a value for one reader only. */
function privateColumns<Op extends AnyOp, V extends AnyValue>(value: V | undefined, context: FusionContext<Op, V>) {
  const step = privateProducer<Op, V, 'columns'>(value, 'columns', context);
  return step && { step, of: step.inputs[0] as V, start: (step.op as unknown as ColumnsOp).start };
}

/** A product of two values, and nothing else. */
function isProduct<Op extends AnyOp, V extends AnyValue>(step: Step<Op, V> | undefined): step is StepOf<Op, V, 'activation'> {
  return isStep(step, 'activation') && step.inputs.length === 2 && (step.op as unknown as ActivationOp).fn === 'identity';
}

/** A convolution between two gates, all of one value's columns, ending in `step`; and that value. */
export function gatedConvolution<Op extends AnyOp, V extends AnyValue>(step: Step<Op, V>, context: FusionContext<Op, V>) {
  if (!isProduct(step)) return undefined;
  for (const [own, other] of [[0, 1], [1, 0]] as const) {
    const after = privateColumns(step.inputs[own], context);
    const convolution = privateProducer<Op, V, 'shortConvolution'>(step.inputs[other], 'shortConvolution', context);
    const product = privateProducer<Op, V, 'activation'>(convolution?.inputs[0], 'activation', context);
    if (after === undefined || convolution === undefined || !isProduct(product)) continue;
    const [before, inner] = product.inputs.map((value) => privateColumns(value, context));
    if (before?.of.id !== after.of.id || inner?.of.id !== after.of.id || before.step === inner.step) continue;
    const gates: ConvolutionGates = { before: before.start, inner: inner.start, after: after.start };
    return { convolution, gates, of: after.of, replaced: [before.step, inner.step, product, convolution, after.step, step] };
  }
  return undefined;
}
