/** Types of weights for tests of kernels: those that between them take every way, and the others for long runs only. */
import { representativeTypes } from '../../src/gpu/packed-forms.ts';
import { WEIGHT_TYPES } from '../../src/tensor/formats/weight-formats.ts';
import type { WeightType } from '../../src/tensor/formats/weight-formats.ts';

export interface TypeCase {
  readonly type: WeightType;
  /** Of the test. */
  readonly options: { readonly tags?: 'slow' };
}

export function typeCases(isWanted: (type: WeightType) => boolean = () => true): readonly TypeCase[] {
  const types = WEIGHT_TYPES.filter(isWanted);
  const chosen = new Set(representativeTypes(types));
  return types.map((type) => ({ type, options: chosen.has(type) ? {} : { tags: 'slow' } }));
}
