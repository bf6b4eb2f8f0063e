/** The kinds of settings that the sampler has kernels for, and all kernels of a model's vocabulary. */
import { hasPenalties } from '../../graph/sampling.ts';
import type { SamplingSettings } from '../../graph/sampling.ts';
import type { Kernel } from '../kernel.ts';
import { biasLogitsKernel } from '../kernels/sample/bias-logits.ts';
import type { BiasVariant } from '../kernels/sample/bias-logits.ts';
import { grammarMaskKernel } from '../kernels/sample/grammar-mask.ts';
import { grammarStepKernel } from '../kernels/sample/grammar-step.ts';
import type { GrammarStepVariant } from '../kernels/sample/grammar-step.ts';
import { maskLogitsKernel } from '../kernels/sample/mask-logits.ts';
import type { MaskVariant } from '../kernels/sample/mask-logits.ts';
import { samplerScratch, samplerSteps } from './sampler-steps.ts';
import { samplerWorkgroups } from './sampler-variant.ts';
import type { SamplerVariant } from './sampler-variant.ts';

/** Tokens that the ring of a sequence holds: more than a submit has steps. */
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

/** The kind of kernels that does for rows with all of these settings. */
export function samplerKindOf(settings: readonly SamplingSettings[]): SamplerKind {
  return { mode: settings.every(({ temperature }) => temperature === 0) ? 'greedy' : 'full', penalties: settings.some(hasPenalties) };
}

export function samplerVariantOf({ vocab, invocations }: SamplerShape, kind: SamplerKind): SamplerVariant {
  return { ...kind, vocab, invocations, workgroups: samplerWorkgroups(vocab, invocations), ringSize: RING_SIZE };
}

const MASK_INVOCATIONS = 64;
const BIAS_INVOCATIONS = 64;

export function maskVariantOf({ vocab }: Pick<SamplerShape, 'vocab'>): MaskVariant {
  return { vocab, invocations: MASK_INVOCATIONS };
}

export function biasVariantOf({ vocab }: Pick<SamplerShape, 'vocab'>): BiasVariant {
  return { vocab, invocations: BIAS_INVOCATIONS };
}

export function grammarVariantOf({ vocab }: Pick<SamplerShape, 'vocab'>): GrammarStepVariant {
  return { vocab, ringSize: RING_SIZE };
}

/** Those that follow grammars, which most programs never meet. */
export function grammarKernels(shape: Pick<SamplerShape, 'vocab'>): readonly Kernel[] {
  const variant = grammarVariantOf(shape);
  return [grammarMaskKernel(variant), grammarStepKernel(variant)];
}

/** Kernels of all kinds of settings, each once, and those of masks and of biases. */
export function samplerKernels(shape: SamplerShape): readonly Kernel[] {
  const kernels = SAMPLER_KINDS.flatMap((kind) => samplerSteps(samplerVariantOf(shape, kind)).map(({ kernel }) => kernel));
  const changing = [maskLogitsKernel(maskVariantOf(shape)), biasLogitsKernel(biasVariantOf(shape))];
  return [...new Map([...kernels, ...changing].map((kernel) => [kernel.key, kernel])).values()];
}

/** Bytes of scratch buffers for each row, by binding name, as large as the largest of some kinds wants them. */
export function samplerScratchSizes(shape: SamplerShape, { penalties }: Pick<SamplerKind, 'penalties'>): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const kind of SAMPLER_KINDS.filter((each) => penalties || !each.penalties)) {
    for (const [name, size] of Object.entries(samplerScratch(samplerVariantOf(shape, kind))))
      sizes.set(name, Math.max(size, sizes.get(name) ?? 0));
  }
  return sizes;
}
