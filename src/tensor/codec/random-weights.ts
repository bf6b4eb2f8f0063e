import { f32ToBf16, f32ToF16 } from '../half.ts';
import { scalePlaces } from '../formats/scale-places.ts';
import { putScale } from '../formats/scale-values.ts';
import { formatOf } from '../formats/weight-formats.ts';
import type { WeightType } from '../formats/weight-formats.ts';
import type { BlockFormat } from '../formats/weight-format.ts';
import { bytesOfElements } from '../tensor-type.ts';

/** A seeded source of numbers in [0, 1): Marsaglia's xorshift32. For data to try things on, not for sampling (see `engine/philox.ts`). */
export function randomSource(seed: number): () => number {
  let state = (seed * 2654435761) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Random rows of `type` to check kernels with: any codes, scales of ordinary size with some subnormal and zero ones. */
export function randomWeights(type: WeightType, rows: number, cols: number, random: () => number): Uint8Array {
  const bytes = new Uint8Array(bytesOfElements(type, rows * cols));
  const format = formatOf(type);
  if (format.kind === 'float') {
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < rows * cols; i++) putFloat(view, type, i, (random() - 0.5) * (random() < 0.1 ? 1e-5 : 0.2));
    return bytes;
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
  clearNaNs(format, bytes);
  for (let at = 0; at < bytes.length; at += format.blockBytes) {
    for (const place of scalePlaces(format)) {
      const kind = random();
      putScale(place.format, bytes, at + place.offset, kind < 0.1 ? 0 : (random() - 0.3) * (kind < 0.3 ? 5e-5 : 0.02));
    }
  }
  return bytes;
}

/** Codes of 8-bit floats that are NaN become the largest value. */
export function clearNaNs({ code, codePlanes }: BlockFormat, bytes: Uint8Array): void {
  if (code.kind !== 'floats' || codePlanes[0]?.bits !== 8) return;
  for (let i = 0; i < bytes.length; i++) if (Number.isNaN(code.values[bytes[i]!])) bytes[i]! -= 1;
}

function putFloat(view: DataView, type: WeightType, index: number, value: number): void {
  if (type === 'f16') return view.setUint16(2 * index, f32ToF16(value), true);
  if (type === 'bf16') return view.setUint16(2 * index, f32ToBf16(value), true);
  return view.setFloat32(4 * index, value, true);
}
