/** The dispatches that choose one token, in order, and the buffers between them. */
import { argmaxPartialKernel, argmaxPickKernel } from '../kernels/argmax/argmax.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import type { SamplerVariant } from './sampler-variant.ts';

export interface SamplerStep {
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
}

export function samplerSteps(variant: SamplerVariant): readonly SamplerStep[] {
  const all: Workgroups = [variant.workgroups, 1, 1];
  return [
    { kernel: argmaxPartialKernel(variant), workgroups: all },
    { kernel: argmaxPickKernel(variant), workgroups: [1, 1, 1] },
  ];
}

/** Bytes of the buffers that only the sampler uses, by binding name. None needs to be cleared. */
export function samplerScratch({ workgroups }: SamplerVariant): Readonly<Record<string, number>> {
  return { partials: workgroups * 8 };
}
