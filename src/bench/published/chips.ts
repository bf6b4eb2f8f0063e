/**
 * What is published of chips: peaks as makers state them, and the shares of those that microbenchmarks of others reached. Predictions rest
 * on these alone, never on the speeds that engines publish. No chip here was measured by us.
 */
import type { ProfileName } from '../../gpu/profile/device-profile.ts';

export interface Chip {
  readonly name: string;
  /** Peak of the memory. */
  readonly bytesPerSecond: number;
  /** Peak in f32: half of the FLOPS that are quoted. */
  readonly multiplyAddsPerSecond: number;
  /** Whose plan our steps are reckoned with. */
  readonly profile: ProfileName;
}

/** Multiply-adds of a GPU core of the M4 family: 128 lanes at 1.678 GHz (hmc-tech.com, M4 Max with 32 cores: 13.74 TFLOPS). */
const M4_CORE = 128 * 1.678e9;

/** Bandwidths by apple.com, technical specifications. Of chips sold with several counts of GPU cores the largest: 40, 20, 10. */
export const CHIPS = {
  'M4 Max': { name: 'Apple M4 Max', bytesPerSecond: 546e9, multiplyAddsPerSecond: 40 * M4_CORE, profile: 'apple-m4' },
  'M4 Pro': { name: 'Apple M4 Pro', bytesPerSecond: 273e9, multiplyAddsPerSecond: 20 * M4_CORE, profile: 'apple-m4' },
} as const satisfies Readonly<Record<string, Chip>>;

export type ChipName = keyof typeof CHIPS;

/**
 * What a GPU of the family reaches of its peaks: an M4 copies 100 of 120 GB/s and multiplies matrices at 2.9 of 4.3 TFLOPS
 * (Huebner, Hu, Peng, Markidis: Apple vs. Oranges, arXiv 2502.05317, 2025).
 */
export const REACHED = { bandwidth: 100 / 120, matrices: 2.9 / 4.3 } as const;

/** Seconds from a dispatch to the next one, which waits for it: 1.3 to 2 us are reported of Metal; the middle. */
export const DISPATCH_SECONDS = 1.65e-6;
