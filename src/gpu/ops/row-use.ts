/** The kernel use of an op that treats every row by itself. */
import { widthOf } from '../../graph/value.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import { outerOf, rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, GridCounts, KernelUse, StepCounts } from '../plan/kernel-use.ts';
import { outputRefs, sizeOfValue } from '../plan/value-refs.ts';

export interface RowUse {
  readonly kernel: Kernel;
  /** Beside the outputs and the step's sizes. */
  readonly buffers: Readonly<Record<string, BufferRef>>;
  readonly workgroups: (rows: number) => Workgroups;
  /** Bytes beside inputs and outputs: weights. */
  readonly weightBytes?: ((rows: number) => number) | undefined;
  /** Multiply-adds for each value of the first output. */
  readonly work?: number | undefined;
}

export function rowUse(
  step: GpuStepOf<{ readonly kind: string }>,
  { kernel, buffers, workgroups, weightBytes, work = 0 }: RowUse,
): readonly KernelUse[] {
  const [first] = step.outputs as readonly [GpuValue];
  const rowsOf = ({ sizes }: GridCounts) => rowsOfValue(first, sizes);
  const cost = (counts: StepCounts) => ({
    bytes:
      [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0) + (weightBytes?.(rowsOf(counts)) ?? 0),
    multiplyAdds: work * widthOf(first) * rowsOf(counts),
  });
  const size: BufferRef = { kind: 'size', dim: outerOf(first) };
  return [
    { kernel, buffers: { ...buffers, ...outputRefs(step.outputs), step: size }, workgroups: (counts) => workgroups(rowsOf(counts)), cost },
  ];
}
