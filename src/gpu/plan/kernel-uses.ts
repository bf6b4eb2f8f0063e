/** Which kernels a step runs, for each way in which a step can come: how many rows, how its attention is cut. */
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuStep } from '../ops/index.ts';
import type { UseOptions } from './gpu-op-rules.ts';
import { rowCountOf } from './gpu-value.ts';
import type { GpuValue } from './gpu-value.ts';
import { ROW_CLASSES } from './kernel-use.ts';
import type { AttentionMode, KernelUse, RowClass, StepMode } from './kernel-use.ts';

/** Rows of a step's output in a mode; undefined where nothing of it is wanted. */
function rowsOf({ outputs }: GpuStep, mode: StepMode): RowClass | undefined {
  return rowCountOf(outputs[0] as GpuValue) === 'outRows' ? mode.outRows : mode.rows;
}

export function kernelUses(step: GpuStep, mode: StepMode, options: UseOptions): readonly KernelUse[] {
  const rows = rowsOf(step, mode);
  return rows === undefined ? [] : gpuRulesOf(step.op).uses(step, { rows, attention: mode.attention }, options);
}

/** What {@link kernelUses} depends on, of a mode: steps of equal forms run the same kernels. */
export function formOf(step: GpuStep, mode: StepMode): RowClass | AttentionMode | 'any' | undefined {
  const rows = rowsOf(step, mode);
  if (rows === undefined) return undefined;
  const { form } = gpuRulesOf(step.op);
  return form === undefined ? 'any' : { rows, attention: mode.attention }[form];
}

/** All modes that a plan may run in. */
export function modesOf(plan: 'one' | 'many'): readonly StepMode[] {
  if (plan === 'one') return (['whole', 'split'] as const).map((attention) => ({ rows: 'one', outRows: 'one', attention }));
  return ROW_CLASSES.flatMap((rows) => (['tiles', 'whole', 'split'] as const).map((attention): StepMode => ({ rows, outRows: rows, attention })));
}
