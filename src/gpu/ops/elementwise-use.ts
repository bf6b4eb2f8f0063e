/** The kernel use of an op that is a function of single values. */
import { widthOf } from '../../graph/value.ts';
import { elementwiseKernel, elementwiseWorkgroups } from '../kernels/elementwise/elementwise.ts';
import type { ElementwiseFunction } from '../kernels/elementwise/elementwise.ts';
import type { UseOptions } from '../plan/gpu-op-rules.ts';
import type { GpuStepOf, GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef, KernelUse } from '../plan/kernel-use.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** `buffers`: beside x, y and the step's sizes. */
export function elementwiseUse(
  step: GpuStepOf<{ readonly kind: string }>, fn: ElementwiseFunction,
  { single, buffers = {} }: Pick<UseOptions, 'single'> & { readonly buffers?: Readonly<Record<string, BufferRef>> },
): readonly KernelUse[] {
  const [x] = step.inputs as readonly [GpuValue];
  const [y] = step.outputs as readonly [GpuValue];
  const variant = { fn, width: widthOf(y), single };
  return rowUse(step, {
    kernel: elementwiseKernel(variant),
    buffers: { x: floatsRef(x), ...buffers },
    workgroups: (rows) => elementwiseWorkgroups(variant, rows),
    work: fn.kind === 'columns' ? 0 : 1,
  });
}
