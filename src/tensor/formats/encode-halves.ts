import { putHalf } from '../half.ts';

/** Writes values one by one in 16 bits, lower byte first. */
export function encodeHalves(bitsOf: (value: number) => number): (values: Float32Array, out: Uint8Array) => void {
  return (values, out) => {
    for (let i = 0; i < values.length; i++) putHalf(out, 2 * i, bitsOf(values[i]!));
  };
}
