/** Types that between them take every way through the kernels: for tests and measurements that would be long with all of them. */
import { WEIGHT_TYPES } from '../tensor/formats/weight-formats.ts';
import type { WeightType } from '../tensor/formats/weight-formats.ts';
import { packedFormatOf } from './packed-layout.ts';

/**
 * What a type's texts depend on, as ways that other types may share: its codes, its scales, and how its codes lie in a file. Codes and
 * scales are read apart from each other, so that not every pair of them has to come together.
 */
function waysOf(type: WeightType): readonly string[] {
  const format = packedFormatOf(type);
  if (format.kind === 'floats') return [format.type];
  const { codeBits, signed, meaning, scale, scaleGroup, hasMinimum, layout } = format;
  const book = layout.code.kind === 'integers' ? layout.code.values : [];
  const places = layout.codePlanes.map(({ bits, run, codeShift }) => [bits, run, codeShift]);
  return [
    ['codes', codeBits, signed, meaning, book, scaleGroup], ['scales', scale, layout.scale.format, layout.groupSize, hasMinimum],
    ['places', places], ['point', layout.minimum?.timesScale === true],
  ].map((way) => JSON.stringify(way));
}

/** In the registry's order. Of types that add as much, the first. */
export function representativeTypes(types: readonly WeightType[] = WEIGHT_TYPES): readonly WeightType[] {
  const missing = new Set(types.flatMap(waysOf));
  const chosen = new Set<WeightType>();
  while (missing.size > 0) {
    const gain = (type: WeightType) => waysOf(type).filter((way) => missing.has(way)).length;
    const best = types.reduce((most, type) => (gain(type) > gain(most) ? type : most));
    chosen.add(best);
    for (const way of waysOf(best)) missing.delete(way);
  }
  return types.filter((type) => chosen.has(type));
}
