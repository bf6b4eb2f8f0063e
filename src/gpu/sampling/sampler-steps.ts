/** The dispatches that choose one token, in order, and the buffers between them. */
import { argmaxPartialKernel, argmaxPickKernel } from '../kernels/argmax/argmax.ts';
import { cutWindowKernel, windowBytes } from '../kernels/sample/cut-window.ts';
import { distanceHistogramKernel } from '../kernels/sample/distance-histogram.ts';
import { drawTokenKernel } from '../kernels/sample/draw-token.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import { BIN_WORDS } from './sampling-record.ts';
import type { SamplerVariant } from './sampler-variant.ts';

export interface SamplerStep {
  readonly kernel: Kernel;
  readonly workgroups: Workgroups;
}

/** Two dispatches in greedy mode, four in full mode. */
export function samplerSteps(variant: SamplerVariant): readonly SamplerStep[] {
  const all: Workgroups = [variant.workgroups, 1, 1];
  const one: Workgroups = [1, 1, 1];
  const partial = { kernel: argmaxPartialKernel(variant), workgroups: all };
  if (variant.mode === 'greedy') return [partial, { kernel: argmaxPickKernel(variant), workgroups: one }];
  return [
    partial,
    { kernel: distanceHistogramKernel(variant), workgroups: all },
    { kernel: cutWindowKernel(variant), workgroups: all },
    { kernel: drawTokenKernel(variant), workgroups: one },
  ];
}

/** Bytes of the buffers that only the sampler uses, by binding name. None needs to be cleared. */
export function samplerScratch(variant: SamplerVariant): Readonly<Record<string, number>> {
  const partials = variant.workgroups * 8;
  if (variant.mode === 'greedy') return { partials };
  return { partials, bins: BIN_WORDS * 4, window: windowBytes(variant), ...(variant.penalties ? { scores: variant.vocab * 4 } : {}) };
}
