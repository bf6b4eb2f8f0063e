import { randomSource } from '../src/tensor/codec/random-weights.ts';

/** Roughly normal, of standard deviation `spread`. */
export function randomLogits(vocab: number, seed: number, spread = 2): Float32Array {
  const random = randomSource(seed);
  return Float32Array.from({ length: vocab }, () => spread * (random() + random() + random() + random() - 2) * Math.sqrt(3));
}
