/**
 * Philox4x32-10, the counter-based random generator of Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3").
 * A number depends on key and counter alone, so every executor and every place in a batch draws the same.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

export type Words4 = readonly [number, number, number, number];

/** High 32 bits of the product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middleLow = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(middleLow / 65536)) >>> 0;
}

/** Four random 32-bit words for a counter of four and a key of two 32-bit words. */
export function philox4x32(counter: Words4, key: readonly [number, number]): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * The number in [0, 1) that chooses the token that an answer has after `count` others: the top 24 bits of the first word, which a
 * 32-bit float holds exactly. Key: the seed (an integer below 2^53), low word first. Counter: (count, 0, 0, 0).
 */
export function uniformAt(seed: number, count: number): number {
  const key: [number, number] = [seed >>> 0, Math.floor(seed / 0x1_0000_0000) >>> 0];
  const [word] = philox4x32([count >>> 0, 0, 0, 0], key);
  return (word >>> 8) / 0x100_0000;
}
