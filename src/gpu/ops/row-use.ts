/** The kernel use of an op that treats every row by itself. */
import { widthOf } from '../../graph/value.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import { rowCountOf } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, KernelUse, StepCounts } from '../plan/kernel-use.ts';
import { outputRefs, sizeOfValue } from '../plan/value-refs.ts';
import type { RowCounts } from '../wgsl/row-pieces.ts';

export interface RowUse {
  readonly kernel: Kernel;
  /** Beside the outputs and the step's sizes. */
  readonly buffers: Readonly<Record<string, BufferRef>>;
  readonly workgroups: (counts: RowCounts) => Workgroups;
  /** Bytes beside inputs and outputs: weights. */
  readonly weightBytes?: ((counts: RowCounts) => number) | undefined;
  /** Multiply-adds for each value of the first output. */
  readonly work?: number | undefined;
}

export function inputRef(name: 'tokens' | 'positions' | 'outIndices' | 'step'): BufferRef {
  return { kind: 'input', name };
}

export function rowUse(step: GpuStepOf<{ readonly kind: string }>, { kernel, buffers, workgroups, weightBytes, work = 0 }: RowUse): readonly KernelUse[] {
  const [first] = step.outputs as readonly [GpuValue];
  const cost = (counts: StepCounts) => ({
    bytes: [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0) + (weightBytes?.(counts) ?? 0),
    multiplyAdds: work * widthOf(first) * counts[rowCountOf(first)],
  });
  return [{ kernel, buffers: { ...buffers, ...outputRefs(step.outputs), step: inputRef('step') }, workgroups, cost }];
}
