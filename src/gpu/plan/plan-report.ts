/** What a model does on a profile, in numbers and as text: dispatches, bytes and multiply-adds of a token and of a prefill chunk. */
import { sizesOf } from '../../graph/dims.ts';
import type { DimSizes } from '../../graph/dims.ts';
import { printPlan } from '../../graph/plan.ts';
import { sequenceDim } from '../../graph/run-check.ts';
import { InputError } from '../../tensor/errors.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import { samplerSteps } from '../sampling/sampler-steps.ts';
import { samplerVariantOf } from '../sampling/sampler-kinds.ts';
import { describeOp } from '../ops/index.ts';
import { modeOf } from './kernel-use.ts';
import type { StepCounts, StepMode } from './kernel-use.ts';
import { mainGraphOf } from './model-plan.ts';
import type { GraphPlan, ModelPlan, PlannedSteps } from './model-plan.ts';

export interface ReportedDispatch {
  /** The step's path in the model. */
  readonly step: string;
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
  readonly bytes: number;
  readonly multiplyAdds: number;
}

export interface StepReport {
  /** `decode, 128 keys` */
  readonly title: string;
  readonly dispatches: readonly ReportedDispatch[];
  readonly bytes: number;
  readonly multiplyAdds: number;
}

function reportSteps(
  title: string,
  { plan, usesOf }: PlannedSteps,
  { mode, counts }: { readonly mode: StepMode; readonly counts: StepCounts },
): StepReport {
  const all = plan.steps.flatMap((step) =>
    usesOf(step, mode).map(({ kernel, workgroups, cost }) => ({
      step: step.label,
      kernel,
      workgroups: workgroups(counts),
      ...cost(counts),
    })),
  );
  const dispatches = all.filter(({ workgroups: [x] }) => x > 0);
  return { title, dispatches, ...totalOf(dispatches) };
}

function totalOf(dispatches: readonly ReportedDispatch[]) {
  return {
    bytes: dispatches.reduce((sum, { bytes }) => sum + bytes, 0),
    multiplyAdds: dispatches.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0),
  };
}

/** Sizes of a step with `rows` rows, the output of the last one wanted. */
function sizesWith({ graph, limits }: GraphPlan, rows: number): DimSizes {
  const dim = sequenceDim(graph);
  return sizesOf(graph.derivedDims, Object.fromEntries(Object.keys(limits).map((name) => [name, name === dim ? rows : 1])));
}

/** The plan of the graph that texts go through, or of the first one. */
function textPlanOf({ graphs, options: { model } }: ModelPlan): GraphPlan {
  return mainGraphOf({ name: model.name, graphs }, model);
}

/** One token after `keys - 1` others, greedy sampling included. @throws InputError for a model that makes embeddings only */
export function reportDecode({ decoder, options: { profile, model } }: ModelPlan, keys: number): StepReport {
  if (decoder === undefined) throw new InputError(`${model.name} makes embeddings only, so that it decodes no tokens.`);
  const counts = { sizes: sizesWith(decoder, 1), tiles: 0, keys };
  const mode = modeOf(counts, keys >= profile.knobs.attention.splitFrom ? 'split' : 'whole');
  const report = reportSteps(`decode, ${keys} keys`, decoder.one, { mode, counts });
  const variant = samplerVariantOf(decoder.sampler, { mode: 'greedy', penalties: false });
  const sampling = samplerSteps(variant).map(({ kernel, workgroups }, i) => ({
    step: 'sample',
    kernel,
    workgroups: [workgroups, 1, 1] as const,
    bytes: i === 0 ? 4 * variant.vocab : 0,
    multiplyAdds: 0,
  }));
  const dispatches = [...report.dispatches, ...sampling];
  return { title: report.title, dispatches, ...totalOf(dispatches) };
}

/** A chunk of `rows` rows behind `before` positions of their sequence, the output of the last one wanted. */
export function reportPrefill(model: ModelPlan, rows: number, before = 0): StepReport {
  const plan = textPlanOf(model);
  const { many, tileRows } = plan;
  const counts = { sizes: sizesWith(plan, rows), tiles: Math.ceil(rows / tileRows), keys: before + rows };
  return reportSteps(`prefill, ${rows} rows`, many, { mode: modeOf(counts, 'tiles'), counts });
}

/** Bytes and products in short, as a plan's reader wants them. */
export function shortNumber(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let unit = 0;
  let rest = value;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit === 0 ? rest : rest.toPrecision(3)}${units[unit]}`;
}

/** A line for each dispatch: kernel, workgroups, bytes, multiply-adds, step. */
export function printReport({ title, dispatches, bytes, multiplyAdds }: StepReport): string {
  const lines = dispatches.map(
    ({ step, kernel, workgroups, ...cost }, i) =>
      `  ${String(i).padStart(3)} ${kernel.label}  ${workgroups.join('x')}  ` +
      `${shortNumber(cost.bytes)}B ${shortNumber(cost.multiplyAdds)} MAC  # ${step}`,
  );
  return [`${title}: ${dispatches.length} dispatches, ${shortNumber(bytes)}B, ${shortNumber(multiplyAdds)} multiply-adds`, ...lines].join(
    '\n',
  );
}

/** Keys of the token whose dispatches stand for decoding. */
const SHOWN_KEYS = 128;

/** The decode plan, its buffers, and the dispatches of a token; of a model that makes embeddings only, those of a step of texts. */
export function printModelPlan(model: ModelPlan): string {
  const { typeOf, model: { name } } = model.options;
  const { plan } = model.decoder?.one ?? textPlanOf(model).many;
  const report = model.decoder === undefined ? reportPrefill(model, model.maxRows) : reportDecode(model, SHOWN_KEYS);
  return `${printPlan(name, plan, (op) => describeOp(op, typeOf))}\n${printReport(report)}`;
}
