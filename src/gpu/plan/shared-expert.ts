/** The rule for an expert that all rows go to, as one more of those that they are routed to. */
import { isPrivate, isStep, privateProducer } from '../../graph/patterns.ts';
import type { FusionContext, FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { ExpertLinearOp } from '../ops/expert-linear-op.ts';
import { expertListWidth } from '../kernels/expert-lists/expert-lists.ts';
import type { ExpertListsOp } from '../ops/expert-lists.ts';
import type { ExpertSumOp } from '../ops/expert-sum.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import type { QuantizeOp } from '../ops/quantize.ts';
import type { RouteOp } from '../ops/route.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';

type Context = FusionContext<GpuOp, GpuValue>;

/** Gate and up of an MLP, the rounding of what they make where there is one, and down. */
interface Mlp<Op extends LinearOp | ExpertLinearOp> {
  readonly act: GpuStepOf<Op>;
  readonly rounded: GpuStepOf<QuantizeOp> | undefined;
  readonly down: GpuStepOf<Op>;
}

/** The MLP whose last product makes `value` for one reader. */
function mlpOf<Op extends LinearOp | ExpertLinearOp>(value: GpuValue | undefined, kind: Op['kind'], context: Context): Mlp<Op> | undefined {
  const down = privateProducer(value, kind, context);
  const rounded = down && privateProducer(down.inputs[0], 'quantize', context);
  if (rounded?.op.norm || rounded?.op.gather) return undefined;
  const act = down && (privateProducer((rounded ?? down).inputs[0], kind, context) as GpuStepOf<Op> | undefined);
  return down && act?.op.gated ? { act, rounded, down: down as GpuStepOf<Op> } : undefined;
}

interface SharedExpert {
  readonly router: GpuStepOf<LinearOp>;
  readonly route: GpuStepOf<RouteOp>;
  readonly lists: GpuStepOf<ExpertListsOp> | undefined;
  readonly routed: Mlp<ExpertLinearOp>;
  readonly sum: GpuStepOf<ExpertSumOp>;
  readonly shared: Mlp<LinearOp>;
  /** W x, and its sigmoid, of one row: how much the shared expert counts. */
  readonly share: GpuStepOf<LinearOp>;
  readonly scale: GpuStep;
}

/** A product of one matrix without a norm, a residual or rounding. */
function isBare({ parts, norm, residual, sum, rounding }: LinearOp): boolean {
  return norm === undefined && !residual && sum === undefined && rounding === undefined && parts.every(({ bias }) => bias === undefined);
}

function termsOf(step: GpuStep, context: Context): Pick<SharedExpert, 'sum' | 'scale'> | undefined {
  for (const [own, other] of [[0, 1], [1, 0]] as const) {
    const sum = privateProducer(step.inputs[own], 'expertSum', context);
    const scale = privateProducer(step.inputs[other], 'scaleRows', context);
    if (sum && scale && !sum.op.residual) return { sum, scale };
  }
  return undefined;
}

function sharedExpertOf(step: GpuStep, context: Context): SharedExpert | undefined {
  const terms = isStep(step, 'add') ? termsOf(step, context) : undefined;
  const routed = terms && mlpOf<ExpertLinearOp>(terms.sum.inputs[0], 'expertLinear', context);
  const shared = terms && mlpOf<LinearOp>(terms.scale.inputs[0], 'linear', context);
  const share = terms && privateProducer(terms.scale.inputs[1], 'linear', context);
  const route = terms && context.producerOf(terms.sum.inputs[1] as GpuValue);
  if (!routed || !shared || !share || !isStep(route, 'route')) return undefined;
  const router = privateProducer(route.inputs[0], 'linear', context);
  const read = context.producerOf(routed.act.inputs[1] as GpuValue);
  const lists = isStep(read, 'expertLists') ? read : undefined;
  return router && { ...terms, router, route, lists, routed, shared, share };
}

/** Whether the shared expert is as the others are, and all that would be changed is read by nothing else. */
function isOneMore(found: SharedExpert, typeOf: (id: string) => string, context: Context): boolean {
  const { router, route, lists, routed, sum, shared, share } = found;
  const isSame = (own: ExpertLinearOp, other: LinearOp) =>
    own.parts.every(({ weight, bias }, i) => {
      const match = other.parts[i]?.weight;
      const isShape = weight.shape[1] === match?.shape[0] && weight.shape[2] === match?.shape[1];
      return bias === undefined && isShape && typeOf(weight.id) === typeOf((match as typeof weight).id);
    });
  const readers = [routed.act, routed.down, sum, ...(lists ? [lists] : [])];
  const routes = [route, ...(lists ? [lists] : [])].flatMap(({ outputs }) => outputs);
  const isOwn = (value: GpuValue) => context.consumersOf(value).every((reader) => readers.some((each) => each === reader));
  const { op: gate } = share;
  return (
    isSame(routed.act.op, shared.act.op) && isSame(routed.down.op, shared.down.op) &&
    routed.act.op.gated === shared.act.op.gated && routed.act.op.clamp === undefined && !routed.act.op.each &&
    routed.down.op.each && !routed.down.op.gated && !shared.down.op.gated && shared.down.op.activation === undefined &&
    [shared.act.op, shared.down.op, gate, router.op].every(isBare) && router.op.activation === undefined &&
    route.op.logitScale === 1 && gate.activation?.fn === 'sigmoid' && gate.activation.times === undefined &&
    routed.act.inputs[0]?.id === shared.act.inputs[0]?.id && router.inputs[0]?.id === share.inputs[0]?.id &&
    routes.every((value) => !context.isKept(value) && isOwn(value)) &&
    isPrivate(route.inputs[0] as GpuValue, context)
  );
}

/** A value of more columns, in the place of one. */
function widened(value: GpuValue, width: number): GpuValue {
  return { ...value, shape: [value.shape[0] as GpuValue['shape'][0], width] };
}

/** The steps with one more expert. */
function withShared(step: GpuStep, { router, route, lists, routed, sum, shared, share }: SharedExpert): readonly GpuStep[] {
  const used = route.op.used + 1;
  const logits = widened(router.outputs[0] as GpuValue, widthOf(router.outputs[0] as GpuValue) + 1);
  const routes = widened(route.outputs[0] as GpuValue, 2 * used);
  const listed = lists && widened(lists.outputs[0] as GpuValue, expertListWidth({ used }));
  const read = listed ?? routes;
  const ofEach = (value: GpuValue) => widened(value, (widthOf(value) / route.op.used) * used);
  const { act, rounded, down } = routed;
  const [made, sums] = [ofEach(act.outputs[0] as GpuValue), ofEach(down.outputs[0] as GpuValue)];
  const codes = rounded && ofEach(rounded.outputs[0] as GpuValue);
  return [
    { ...router, op: { ...router.op, parts: [...router.op.parts, ...share.op.parts] }, outputs: [logits] },
    { ...route, op: { ...route.op, shared: true }, inputs: [logits], outputs: [routes] },
    ...(lists && listed ? [{ ...lists, op: { ...lists.op, count: lists.op.count + 1 }, inputs: [routes], outputs: [listed] }] : []),
    { ...act, op: { ...act.op, shared: shared.act.op.parts }, inputs: [act.inputs[0] as GpuValue, read], outputs: [made] },
    ...(rounded && codes ? [{ ...rounded, inputs: [made], outputs: [codes] }] : []),
    { ...down, op: { ...down.op, shared: shared.down.op.parts }, inputs: [codes ?? made, read], outputs: [sums] },
    { ...sum, inputs: [sums, routes], outputs: step.outputs },
  ];
}

/** Experts' sum + sigmoid(share x) * MLP(x): the MLP is one more expert, with that as its weight. */
export function sharedExpert(typeOf: (id: string) => string): FusionRule<GpuOp, GpuValue> {
  return {
    name: 'shared-expert',
    match(step, context) {
      const found = sharedExpertOf(step, context);
      if (found === undefined || !isOneMore(found, typeOf, context)) return undefined;
      const { router, route, lists, routed, sum, shared, share, scale } = found;
      const mlps = [routed, shared].flatMap(({ act, rounded, down }) => [act, ...(rounded ? [rounded] : []), down]);
      const replaced: readonly GpuStep[] = [router, route, ...(lists ? [lists] : []), share, ...mlps, scale, sum, step];
      return { replaced, by: withShared(step, found) };
    },
  };
}
