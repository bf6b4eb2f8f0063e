/** The rule for rows of a table that are added to something: positions, other tables, or columns of a product. */
import { isStep, privateProducer, residualSum } from '../../graph/patterns.ts';
import type { FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { EmbedOp } from '../ops/embed.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import type { GpuStepOf, GpuValue } from './gpu-value.ts';

/** A row of a table and what it is added to. */
export const embedSum: FusionRule<GpuOp, GpuValue> = {
  name: 'embed-sum',
  match(step, context) {
    if (!isStep(step, 'add')) return undefined;
    const accepts = ({ op }: GpuStepOf<EmbedOp>) => op.base === undefined && op.rounding === undefined;
    const sum = residualSum<GpuOp, GpuValue, 'embed'>(step, 'embed', { context, accepts });
    if (sum === undefined) return undefined;
    const { maker, residual } = sum;
    const taken = privateProducer(residual, 'columns', context);
    const added = taken?.inputs[0] ?? residual;
    const base = { start: taken?.op.start ?? 0, of: widthOf(added) };
    // Values are read by fours.
    if ([base.start, base.of, widthOf(residual)].some((count) => count % 4 !== 0)) return undefined;
    const inputs = [maker.inputs[0] as GpuValue, added];
    const by: GpuStep = { op: { ...maker.op, base }, inputs, outputs: step.outputs, label: maker.label };
    return { replaced: [...(taken ? [taken] : []), maker, step], by };
  },
};
