/** The dispatches that choose a token for each row, in order, and the buffers between them. */
import { argmaxPartialKernel, argmaxPickKernel } from '../kernels/argmax/argmax.ts';
import { cutWindowKernel } from '../kernels/sample/cut-window.ts';
import { distanceHistogramKernel } from '../kernels/sample/distance-histogram.ts';
import { drawTokenKernel } from '../kernels/sample/draw-token.ts';
import { windowWords } from '../kernels/sample/window.ts';
import type { Kernel } from '../kernel.ts';
import { BIN_WORDS } from './sampling-record.ts';
import type { SamplerVariant } from './sampler-variant.ts';

export interface SamplerStep {
  readonly kernel: Kernel;
  /** For each row. */
  readonly workgroups: number;
}

/** Two dispatches in greedy mode, four in full mode. */
export function samplerSteps(variant: SamplerVariant): readonly SamplerStep[] {
  const partial = { kernel: argmaxPartialKernel(variant), workgroups: variant.workgroups };
  if (variant.mode === 'greedy') return [partial, { kernel: argmaxPickKernel(variant), workgroups: 1 }];
  return [
    partial,
    { kernel: distanceHistogramKernel(variant), workgroups: variant.workgroups },
    { kernel: cutWindowKernel(variant), workgroups: variant.workgroups },
    { kernel: drawTokenKernel(variant), workgroups: 1 },
  ];
}

/** Bytes for each row of the buffers between them, by binding name. None needs to be cleared. */
export function samplerScratch(variant: SamplerVariant): Readonly<Record<string, number>> {
  const partials = variant.workgroups * 8;
  if (variant.mode === 'greedy') return { partials };
  return { partials, bins: BIN_WORDS * 4, windows: windowWords(variant) * 4, ...(variant.penalties ? { scores: variant.vocab * 4 } : {}) };
}
