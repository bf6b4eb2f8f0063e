/** The rule for products that read the sum behind a block: each of their workgroups makes the sum for itself. */
import { isPrivate, isStep } from '../../graph/patterns.ts';
import type { FusionContext, FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import type { LinearOp } from '../ops/linear-op.ts';
import { withMadeInputs } from './device-limits.ts';
import type { LimitCheck, LimitOptions } from './device-limits.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';

/** A product and the sum before it, as two steps and as one. */
export interface SumProduct {
  readonly apart: readonly [sum: GpuStep, product: GpuStep];
  readonly fused: GpuStepOf<LinearOp>;
}

/** Whether `value` is made from what `maker` makes, or is that. */
export function comesFrom(value: GpuValue, maker: GpuStep, { producerOf }: FusionContext<GpuOp, GpuValue>): boolean {
  const seen = new Set<GpuStep>();
  const visit = (each: GpuValue): boolean => {
    const step = producerOf(each);
    if (step === maker) return true;
    if (step === undefined || seen.has(step)) return false;
    seen.add(step);
    return step.inputs.some(visit);
  };
  return visit(value);
}

/** The sum must be read in one form by this product alone; as floats others may read it too. */
function sumProductOf(read: GpuStep, context: FusionContext<GpuOp, GpuValue>): SumProduct | undefined {
  const product = withMadeInputs(read, context);
  const [x, ...others] = product.inputs as readonly [GpuValue, ...GpuValue[]];
  if (widthOf(x) % 32 !== 0) return undefined;
  const maker = context.producerOf(x);
  if (!isStep(product, 'linear') || product.op.sum || product.op.residual || !isStep(maker, 'addNorm') || maker.op.groups !== 1) {
    return undefined;
  }
  const floats = maker.outputs.find(({ dtype }) => dtype === 'f32');
  const isAlone = x === floats ? maker.outputs.length === 1 : isPrivate(x, context);
  if (!isAlone || others.some((value) => comesFrom(value, maker, context))) return undefined;
  const isKept = floats !== undefined && !(x === floats && isPrivate(floats, context));
  const { norm, by, rounding } = maker.op;
  const fused: GpuStepOf<LinearOp> = {
    op: { ...product.op, sum: { norm, by, rounding, isKept } },
    inputs: [...maker.inputs, ...others],
    outputs: isKept ? [...product.outputs, floats] : product.outputs,
    label: product.label,
  };
  return { apart: [maker, product], fused };
}

/** x + norm(y), and their factor, in the product that reads it. `suits` says where that is worth it, and the device has room. */
export function sumProduct(suits: (found: SumProduct) => boolean): FusionRule<GpuOp, GpuValue> {
  return {
    name: 'sum-product',
    match(step, context) {
      if (!isStep(step, 'linear')) return undefined;
      const found = sumProductOf(step, context);
      return found && suits(found) ? { replaced: [found.apart[0], step], by: found.fused } : undefined;
    },
  };
}

/** Values of the sum that a lane may hold: with what it is made of they are three times as many registers. */
const LANE_VALUES = 48;

const NO_COUNTS = { sizes: {}, tiles: 0 };

/** For plans of one row: both steps and the one in their place fit the device, and making the sum so often costs little. */
export function sumSuits(check: LimitCheck, options: LimitOptions): (found: SumProduct) => boolean {
  return ({ apart, fused }) => {
    const uses = gpuRulesOf(fused.op).uses(fused, { rows: 'one', attention: 'whole' }, { ...options, single: true });
    const isSmall = uses.every(({ kernel, workgroups }) => {
      const count = workgroups(NO_COUNTS).reduce((product, each) => product * each);
      const width = widthOf(fused.inputs[0] as GpuValue);
      return count * width <= options.profile.knobs.sums.mostValues && width <= LANE_VALUES * kernel.workgroupSize;
    });
    return isSmall && [...apart, fused].every((step) => check(step) === undefined);
  };
}
