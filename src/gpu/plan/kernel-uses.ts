/** Which kernels a step runs, for each way in which a step can come: how many rows, how its attention is cut. */
import type { Value } from '../../graph/value.ts';
import { attentionUses } from './attention-uses.ts';
import type { AttentionMode, AttentionOptions } from './attention-uses.ts';
import type { GpuStep } from './gpu-op.ts';
import { ROW_CLASSES } from './kernel-use.ts';
import type { KernelUse, RowClass } from './kernel-use.ts';
import { linearUse, rowCountOf } from './linear-uses.ts';
import type { UseOptions } from './linear-uses.ts';
import { rowUse } from './row-uses.ts';

/** How a step comes. */
export interface StepMode {
  readonly rows: RowClass;
  /** Undefined: no logits are wanted, and what makes them is left out. */
  readonly outRows: RowClass | undefined;
  readonly attention: AttentionMode;
}

export type KernelUsesOptions = UseOptions & AttentionOptions;

export function kernelUses(step: GpuStep, mode: StepMode, options: KernelUsesOptions): readonly KernelUse[] {
  const rows = rowCountOf(step.outputs[0] as Value) === 'outRows' ? mode.outRows : mode.rows;
  if (rows === undefined) return [];
  const { op } = step;
  if (op.kind === 'linear') return [linearUse({ ...step, op }, rows, options)];
  if (op.kind === 'attention') return attentionUses({ ...step, op }, mode.attention, options);
  return [rowUse(step, options)];
}

/** What {@link kernelUses} depends on, of a mode: steps of equal forms run the same kernels. */
export function formOf({ op, outputs }: GpuStep, mode: StepMode): RowClass | AttentionMode | 'any' | undefined {
  const rows = rowCountOf(outputs[0] as Value) === 'outRows' ? mode.outRows : mode.rows;
  if (rows === undefined) return undefined;
  if (op.kind === 'attention') return mode.attention;
  return op.kind === 'linear' ? rows : 'any';
}

/** All modes that a plan may run in. */
export function modesOf(plan: 'one' | 'many'): readonly StepMode[] {
  if (plan === 'one') return (['whole', 'split'] as const).map((attention) => ({ rows: 'one', outRows: 'one', attention }));
  return ROW_CLASSES.flatMap((rows) => (['tiles', 'whole', 'split'] as const).map((attention): StepMode => ({ rows, outRows: rows, attention })));
}
