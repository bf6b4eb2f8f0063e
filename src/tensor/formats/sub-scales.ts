/**
 * Packings of the small integers under a super-block's scale. Each reads and writes the integer of a group; `at` is where the packed
 * bytes begin.
 */

interface Packing {
  /** Range of a sub-scale; a minimum's is the same. */
  readonly least: number;
  readonly most: number;
  scale(bytes: Uint8Array, at: number, group: number): number;
  putScale(bytes: Uint8Array, at: number, group: number, value: number): void;
  /** Of packings that hold minimums beside scales. */
  minimum?(bytes: Uint8Array, at: number, group: number): number;
  putMinimum?(bytes: Uint8Array, at: number, group: number, value: number): void;
}

const byteAt = (bytes: Uint8Array, at: number) => bytes[at] as number;

/** Replaces the bits of `mask` of a byte. */
function putBits(bytes: Uint8Array, at: number, mask: number, bits: number): void {
  bytes[at] = (byteAt(bytes, at) & ~mask) | (bits & mask);
}

/** One two's complement byte each (Q6_K). */
const BYTES = {
  least: -128,
  most: 127,
  scale: (bytes, at, group) => (byteAt(bytes, at + group) << 24) >> 24,
  putScale: (bytes, at, group, value) => {
    bytes[at + group] = value;
  },
} as const satisfies Packing;

/** Scale in the low and minimum in the high half of one byte for each group (Q2_K). */
const NIBBLES = {
  least: 0,
  most: 15,
  scale: (bytes, at, group) => byteAt(bytes, at + group) & 15,
  putScale: (bytes, at, group, value) => putBits(bytes, at + group, 15, value),
  minimum: (bytes, at, group) => byteAt(bytes, at + group) >> 4,
  putMinimum: (bytes, at, group, value) => putBits(bytes, at + group, 0xf0, value << 4),
} as const satisfies Packing;

/**
 * 6-bit scales and minimums of eight groups in 12 bytes (Q4_K and Q5_K; ggml's `get_scale_min_k4`): those of the first four groups whole in
 * bytes 0..3 and 4..7, whose upper two bits belong to the last four groups; the lower four bits of these in bytes 8..11.
 */
const K4 = {
  least: 0,
  most: 63,
  scale: (bytes, at, group) =>
    group < 4 ? byteAt(bytes, at + group) & 63 : (byteAt(bytes, at + group + 4) & 15) | ((byteAt(bytes, at + group - 4) >> 6) << 4),
  putScale: (bytes, at, group, value) => {
    if (group < 4) return putBits(bytes, at + group, 63, value);
    putBits(bytes, at + group + 4, 15, value);
    putBits(bytes, at + group - 4, 0xc0, (value >> 4) << 6);
  },
  minimum: (bytes, at, group) =>
    group < 4 ? byteAt(bytes, at + group + 4) & 63 : (byteAt(bytes, at + group + 4) >> 4) | ((byteAt(bytes, at + group) >> 6) << 4),
  putMinimum: (bytes, at, group, value) => {
    if (group < 4) return putBits(bytes, at + group + 4, 63, value);
    putBits(bytes, at + group + 4, 0xf0, (value & 15) << 4);
    putBits(bytes, at + group, 0xc0, (value >> 4) << 6);
  },
} as const satisfies Packing;

/** 6-bit scales of sixteen groups, less 32, in 12 bytes (Q3_K): low halves in bytes 0..7, upper two bits in bytes 8..11. */
const K3 = {
  least: -32,
  most: 31,
  scale: (bytes, at, group) => {
    const low = group < 8 ? byteAt(bytes, at + group) & 15 : byteAt(bytes, at + group - 8) >> 4;
    const high = (byteAt(bytes, at + 8 + (group & 3)) >> (2 * (group >> 2))) & 3;
    return (low | (high << 4)) - 32;
  },
  putScale: (bytes, at, group, value) => {
    const code = value + 32;
    if (group < 8) putBits(bytes, at + group, 15, code);
    else putBits(bytes, at + group - 8, 0xf0, code << 4);
    putBits(bytes, at + 8 + (group & 3), 3 << (2 * (group >> 2)), (code >> 4) << (2 * (group >> 2)));
  },
} as const satisfies Packing;

/** 6-bit scales of eight groups, less 32, in 6 bytes (IQ4_XS): upper two bits in a u16, then low halves, two a byte. */
const XS = {
  least: -32,
  most: 31,
  scale: (bytes, at, group) => {
    const low = (byteAt(bytes, at + 2 + (group >> 1)) >> (4 * (group & 1))) & 15;
    const high = (byteAt(bytes, at + (group >> 2)) >> (2 * (group & 3))) & 3;
    return (low | (high << 4)) - 32;
  },
  putScale: (bytes, at, group, value) => {
    const code = value + 32;
    putBits(bytes, at + 2 + (group >> 1), 15 << (4 * (group & 1)), (code & 15) << (4 * (group & 1)));
    putBits(bytes, at + (group >> 2), 3 << (2 * (group & 3)), (code >> 4) << (2 * (group & 3)));
  },
} as const satisfies Packing;

export const SUB_SCALES = { bytes: BYTES, nibbles: NIBBLES, k4: K4, k3: K3, xs: XS } as const satisfies Record<string, Packing>;
export type SubScalePacking = keyof typeof SUB_SCALES;

export function subScalesOf(packing: SubScalePacking): Packing {
  return SUB_SCALES[packing];
}
