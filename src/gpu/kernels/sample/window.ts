/** What the sampler's kernels keep of a row between finding where its cuts lie and deciding about the tokens there. */
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';

/** Tokens that the list holds. Where more are at a cut, the next kernel looks at all logits instead. */
export const WINDOW_TOKENS = 4096;

/** Words of a row in `windows`. */
export function windowWords({ workgroups }: Pick<SamplerVariant, 'workgroups'>): number {
  return 14 + (workgroups + WINDOW_TOKENS) * 2;
}

/**
 * The buffer `windows`, an element a row. `listed`: tokens in the cuts' bins, of which the first are in `tokens` as distance bits and id,
 * in any order.
 * `solid`: tokens of the bins before this one are summed in `sums`, by workgroup, and none of them is listed. `kBin`: top-k's bin, of
 * whose tokens the `kLeft` best stay; `kBefore`: weight of the bins before. `pFirst` to `pLast`: top-p's bins, `pBefore` the weight
 * before them.
 * `total`: weight of all tokens. A bin that there is not is 0xffffffff.
 */
export function windowStruct({ workgroups }: SamplerVariant, listed: 'u32' | 'atomic<u32>'): string {
  return `struct Cut {
  largestKey: u32,
  solid: u32,
  kBin: u32,
  kLeft: u32,
  pFirst: u32,
  pLast: u32,
  kBefore: vec2<u32>,
  pBefore: vec2<u32>,
  total: vec2<u32>,
}
struct Window {
  listed: ${listed},
  cut: Cut,
  sums: array<vec2<u32>, ${workgroups}>,
  tokens: array<vec2<u32>, ${WINDOW_TOKENS}>,
}
`;
}
