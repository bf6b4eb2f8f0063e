/** What a product with experts does beside itself, as steps of its own, for devices on which its kernels bind too much. */
import type { AddOp } from '../../graph/ops/add.ts';
import type { Value } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import type { Cut, CutContext } from '../plan/gpu-op-rules.ts';
import { outerOf } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { ActivationOp } from './activation.ts';
import { plainExpertProduct } from './expert-linear-op.ts';
import type { ExpertLinearOp } from './expert-linear-op.ts';
import { usedOf } from './expert-lists.ts';
import type { ExpertSumOp } from './expert-sum.ts';
import { range } from '../wgsl/expressions.ts';
import { roundingCut } from './quantize.ts';
import type { NormOp } from './rms-norm.ts';

type ExpertStep = GpuStepOf<ExpertLinearOp>;

/** What a layer's experts are cut by. */
export interface ExpertCutContext extends Pick<CutContext, 'fresh'> {
  /** Matrices of all experts, some of whole ones each. */
  readonly pieces: number;
}

export function expertLinearCuts(step: ExpertStep, context: ExpertCutContext): readonly Cut[] {
  const { fresh } = context;
  const { op, inputs: [x, routes, added], outputs: [y], label } = step as ExpertStep & {
    inputs: [GpuValue, GpuValue, GpuValue | undefined]; outputs: [GpuValue];
  };
  const rounding = roundingCut(step, { op: { ...op, rounding: undefined }, norm: op.rounding?.norm, fresh });
  if (rounding.length > 0) return rounding;
  const cuts: Cut[] = [];
  if (op.norm) {
    const normed = fresh(x.shape, `${label}.normed`);
    const norm: NormOp = { kind: 'norm', ...op.norm, groups: 1, gather: false };
    const before: GpuStepOf<NormOp> = { op: norm, inputs: [x], outputs: [normed], label: normed.label };
    const own: ExpertStep = { ...step, op: { ...op, norm: undefined }, inputs: [normed, ...step.inputs.slice(1)] };
    cuts.push({ replaced: [step], by: [before, own] });
  }
  if (op.piece) return cuts;
  if (op.residual) {
    const sum = fresh(y.shape, `${label}.sum`);
    const own: ExpertStep = { ...step, op: { ...op, residual: false }, inputs: [x, routes], outputs: [sum] };
    const add: GpuStepOf<AddOp> = { op: { kind: 'add' }, inputs: [sum, added as GpuValue], outputs: [y], label: `${label}.residual` };
    cuts.push({ replaced: [step], by: [own, add] });
  } else if (op.summed) {
    const each = fresh([outerOf(y), usedOf(routes) * widthOf(y)], `${label}.each`);
    const own: ExpertStep = { ...step, op: { ...op, summed: false }, outputs: [each] };
    const sumOp: ExpertSumOp = { kind: 'expertSum', residual: false, rounding: undefined };
    const sum: GpuStepOf<ExpertSumOp> = { op: sumOp, inputs: [each, routes], outputs: [y], label };
    cuts.push({ replaced: [step], by: [own, sum] });
  }
  cuts.push(...pieceCuts(step, context));
  if (op.gated) {
    const halves = ['gate', 'up'].map((half) => fresh(y.shape, `${label}.${half}`));
    const products = op.parts.map((part, i): ExpertStep => {
      const own = { ...plainExpertProduct([part], op.each), shared: op.shared.slice(i, i + 1), norm: op.norm };
      return { op: own, inputs: [x, routes], outputs: [halves[i] as GpuValue], label: (halves[i] as Value).label };
    });
    const gate: ActivationOp = { kind: 'activation', fn: op.gated, clamp: op.clamp, columns: undefined };
    cuts.push({ replaced: [step], by: [...products, { op: gate, inputs: halves, outputs: [y], label } as GpuStepOf<ActivationOp>] });
  }
  return cuts;
}

/**
 * Steps of some matrices each, as many as a kernel can bind. A sum's next adds its experts to what the one before has made of its own; a
 * result for each expert is the one before's where the next has no such expert.
 */
function pieceCuts(step: ExpertStep, { fresh, pieces }: ExpertCutContext): readonly Cut[] {
  const { op, inputs, outputs: [y], label } = step as ExpertStep & { outputs: [GpuValue] };
  if (pieces < 2) return [];
  return range(pieces - 1).map((fewer): Cut => {
    const most = pieces - 1 - fewer;
    const by: ExpertStep[] = [];
    for (let from = 0; from < pieces; from += most) {
      const to = Math.min(from + most, pieces);
      const made = to === pieces ? y : fresh(y.shape, `${label}[${from}..${to}]`);
      const [last] = by.at(-1)?.outputs ?? [];
      const piece = { from, to, before: last !== undefined && !op.summed };
      const own = { ...op, piece, residual: op.summed && (op.residual || last !== undefined) };
      const read = last ? [...inputs.slice(0, 2), last] : inputs;
      by.push({ op: own, inputs: read, outputs: [made], label: to === pieces ? label : made.label });
    }
    return { replaced: [step], by };
  });
}
