import { f32ToF16 } from '../half.ts';
import { bytesOfElements, isQuantized, TENSOR_TYPES, type WeightType } from '../tensor-type.ts';

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
  const view = new DataView(bytes.buffer);
  if (!isQuantized(type)) {
    for (let i = 0; i < rows * cols; i++) putFloat(view, type, i, (random() - 0.5) * (random() < 0.1 ? 1e-5 : 0.2));
    return bytes;
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
  const { blockBytes } = TENSOR_TYPES[type];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (const offset of type === 'q4_k' ? [0, 2] : type === 'q6_k' ? [208] : [0]) {
      const kind = random();
      view.setUint16(at + offset, f32ToF16(kind < 0.1 ? 0 : (random() - 0.3) * (kind < 0.3 ? 5e-5 : 0.02)), true);
    }
  }
  return bytes;
}

function putFloat(view: DataView, type: WeightType, index: number, value: number): void {
  if (type === 'f16') return view.setUint16(2 * index, f32ToF16(value), true);
  view.setFloat32(0, value, true);
  if (type === 'bf16') return view.setUint16(2 * index, view.getUint32(0, true) >>> 16, true);
  return view.setFloat32(4 * index, value, true);
}
