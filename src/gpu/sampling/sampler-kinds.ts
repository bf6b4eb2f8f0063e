/** The kinds of settings that the sampler has kernels for, and all kernels of a model's vocabulary. */
import { hasPenalties } from '../../graph/sampling.ts';
import type { SamplingSettings } from '../../graph/sampling.ts';
import type { Kernel } from '../kernel.ts';
import { samplerScratch, samplerSteps } from './sampler-steps.ts';
import { samplerWorkgroups } from './sampler-variant.ts';
import type { SamplerVariant } from './sampler-variant.ts';

/** Tokens that the ring holds: more than are under way at any time. */
export const RING_SIZE = 64;

export interface SamplerShape {
  readonly vocab: number;
  /** Of a workgroup. */
  readonly invocations: number;
}

export type SamplerKind = Pick<SamplerVariant, 'mode' | 'penalties'>;

const SAMPLER_KINDS: readonly SamplerKind[] = (['greedy', 'full'] as const).flatMap((mode) =>
  [false, true].map((penalties) => ({ mode, penalties })),
);

export function samplerKindOf(settings: SamplingSettings): SamplerKind {
  return { mode: settings.temperature === 0 ? 'greedy' : 'full', penalties: hasPenalties(settings) };
}

export function samplerVariantOf({ vocab, invocations }: SamplerShape, kind: SamplerKind): SamplerVariant {
  return { ...kind, vocab, invocations, workgroups: samplerWorkgroups(vocab, invocations), ringSize: RING_SIZE };
}

/** Kernels of all kinds of settings, each once. */
export function samplerKernels(shape: SamplerShape): readonly Kernel[] {
  const kernels = SAMPLER_KINDS.flatMap((kind) => samplerSteps(samplerVariantOf(shape, kind)).map(({ kernel }) => kernel));
  return [...new Map(kernels.map((kernel) => [kernel.key, kernel])).values()];
}

/** Bytes of scratch buffers by binding name, as large as the largest kind wants them. */
export function samplerScratchSizes(shape: SamplerShape): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const kind of SAMPLER_KINDS) {
    for (const [name, size] of Object.entries(samplerScratch(samplerVariantOf(shape, kind))))
      sizes.set(name, Math.max(size, sizes.get(name) ?? 0));
  }
  return sizes;
}
