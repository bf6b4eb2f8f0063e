/** Which kernels a step runs, for each way in which a step can come: how many rows, how its attention is cut. */
import type { DimSizes } from '../../graph/dims.ts';
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuStep } from '../ops/index.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import type { UseOptions } from './gpu-op-rules.ts';
import { outerOf } from './gpu-value.ts';
import type { GpuValue } from './gpu-value.ts';
import { attentionModes, rowClassOf, ROW_CLASSES } from './kernel-use.ts';
import type { KernelUse, RowClass, StepMode } from './kernel-use.ts';

/** Rows of a step's output, or of what it reads where it makes none, in a mode; undefined where nothing of it is wanted. */
function rowsOf({ inputs, outputs }: GpuStep, mode: StepMode): RowClass | undefined {
  const outer = outerOf((outputs[0] ?? inputs[0]) as GpuValue);
  return typeof outer === 'number' ? rowClassOf(outer) : mode.rows[outer];
}

export function kernelUses(step: GpuStep, mode: StepMode, options: UseOptions): readonly KernelUse[] {
  const rows = rowsOf(step, mode);
  return rows === undefined ? [] : gpuRulesOf(step.op).uses(step, { rows, attention: mode.attention }, options);
}

/** What {@link kernelUses} depends on, of a mode: steps of equal forms run the same kernels. */
export function formOf(step: GpuStep, mode: StepMode): string | undefined {
  const rows = rowsOf(step, mode);
  if (rows === undefined) return undefined;
  const { form } = gpuRulesOf(step.op);
  if (form === 'both') return `${rows} ${mode.attention}`;
  return form === undefined ? 'any' : String({ rows, attention: mode.attention }[form]);
}

/** Fewest rows of each class. */
const LEAST_ROWS: Readonly<Record<RowClass, number>> = { one: 1, 2: 2, 4: 3, 8: 5, many: 9 };

/** Whether a step may come in a mode where dims have at most so many rows. */
export function isPossible(step: GpuStep, mode: StepMode, most: DimSizes): boolean {
  const rows = rowsOf(step, mode);
  const outer = outerOf((step.outputs[0] ?? step.inputs[0]) as GpuValue);
  return rows === undefined || typeof outer === 'number' || LEAST_ROWS[rows] <= (most[outer] ?? Infinity);
}

/** Modes that together hold every form of every step. */
export function modesOf(plan: 'one' | 'many', dims: readonly string[], profile: DeviceProfile): readonly StepMode[] {
  const all = (rows: RowClass) => Object.fromEntries(dims.map((dim) => [dim, rows]));
  if (plan === 'one') return (['whole', 'split'] as const).map((attention) => ({ rows: all('one'), attention }));
  return ROW_CLASSES.flatMap((rows) =>
    attentionModes(profile).map((attention): StepMode => ({ rows: all(rows), attention })),
  );
}
