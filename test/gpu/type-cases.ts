/** Types of weights for tests of kernels: those that between them take every way, and the others for long runs only. */
import { representativeTypes } from '../../src/gpu/packed-forms.ts';
import { WEIGHT_TYPES } from '../../src/tensor/formats/weight-formats.ts';
import type { WeightType } from '../../src/tensor/formats/weight-formats.ts';

export interface TypeCase {
  readonly type: WeightType;
  /** Of the test. */
  readonly options: { readonly tags?: 'slow' };
}

/**
 * Affine types whose groups and scales alone differ from those of a width's groups of 64 read other constants: repacking and the reading of
 * values are tested for all of them (`every`), products for the others.
 */
export function typeCases(isWanted: (type: WeightType) => boolean = () => true, every = false): readonly TypeCase[] {
  const wanted = WEIGHT_TYPES.filter(isWanted);
  const chosen = new Set(representativeTypes(wanted));
  const types = wanted.filter((type) => every || chosen.has(type) || !type.startsWith('affine') || type.endsWith('_g64_bf16'));
  return types.map((type) => ({ type, options: chosen.has(type) ? {} : { tags: 'slow' } }));
}
