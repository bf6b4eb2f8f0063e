/** Random weight blocks that are valid for their type and decode to values of a chosen spread around zero. */
import { encodeRows } from '../tensor/codec/encode-rows.ts';
import { f16ToF32, f32ToF16 } from '../tensor/half.ts';
import { TENSOR_TYPES, type WeightType } from '../tensor/tensor-type.ts';

/** Standard deviations of evenly drawn codes. */
const DEVIATION_OF_CODE = { q4_0: Math.sqrt(255 / 12), q8_0: Math.sqrt(65535 / 12), q4_k: Math.sqrt(255 / 12), q6_k: Math.sqrt(4095 / 12) };
/** Sub-scales are drawn from 32..63, whose root mean square this is. */
const SUB_SCALE = 48.4;
/** The middle of Q4_K's codes: a minimum of this many steps centres the values on zero. */
const MIDDLE_CODE = 7.5;

export interface BlockPoolOptions {
  readonly type: WeightType;
  readonly blocks: number;
  /** Standard deviation of the values. */
  readonly deviation: number;
  readonly seed: number;
}

/** `blocks` random blocks of `type`, the same for the same seed. */
export function blockPool({ type, blocks, deviation, seed }: BlockPoolOptions): Uint8Array {
  const { blockBytes } = TENSOR_TYPES[type];
  const random = randomBytes(blocks * blockBytes, seed);
  switch (type) {
    case 'f32':
    case 'f16':
    case 'bf16':
      return floatPool(type, random, blocks, deviation);
    case 'q4_0':
    case 'q8_0':
      putScales(random, blockBytes, 0, deviation / DEVIATION_OF_CODE[type]);
      return random;
    case 'q4_k':
      putQ4KScales(random, deviation / (DEVIATION_OF_CODE.q4_k * SUB_SCALE));
      return random;
    case 'q6_k':
      putScales(random, blockBytes, 208, deviation / (DEVIATION_OF_CODE.q6_k * SUB_SCALE));
      for (let at = 192; at < random.length; at += blockBytes) putSignedSubScales(random, at);
      return random;
    default:
      throw new RangeError(`no random blocks of ${type satisfies never}`);
  }
}

function randomBytes(count: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4));
  // Marsaglia's xorshift32; its state must not be zero.
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, count);
}

/** Values drawn evenly from +-sqrt(3) deviations. */
function floatPool(type: 'f32' | 'f16' | 'bf16', random: Uint8Array, count: number, deviation: number): Uint8Array {
  const width = TENSOR_TYPES[type].blockBytes;
  const values = Float32Array.from({ length: count }, (_, i) => {
    const unit = (random[i * width]! + 256 * random[i * width + 1]! + 0.5) / 65536;
    return deviation * Math.sqrt(3) * (2 * unit - 1);
  });
  encodeRows(type, values, random);
  return random;
}

/** Scales of random sign, so that codes which are not centred on zero give values that are. */
function putScales(bytes: Uint8Array, blockBytes: number, offset: number, scale: number): void {
  const bits = f32ToF16(scale);
  for (let at = offset; at < bytes.length; at += blockBytes) {
    const sign = bytes[at + 1]! & 0x80;
    bytes[at] = bits;
    bytes[at + 1] = (bits >> 8) | sign;
  }
}

/** Every group's minimum is as many steps as its scale, so that the middle code is zero. */
function putQ4KScales(bytes: Uint8Array, scale: number): void {
  const scaleBits = f32ToF16(scale);
  const minimumBits = f32ToF16(f16ToF32(scaleBits) * MIDDLE_CODE);
  for (let at = 0; at < bytes.length; at += TENSOR_TYPES.q4_k.blockBytes) {
    bytes[at] = scaleBits;
    bytes[at + 1] = scaleBits >> 8;
    bytes[at + 2] = minimumBits;
    bytes[at + 3] = minimumBits >> 8;
    for (let group = 0; group < 4; group++) {
      // 32..63 in six bits, with the upper two of the group four further on in the byte's top.
      const own = 32 | (bytes[at + 4 + group]! & 31);
      const further = 32 | (bytes[at + 8 + group]! & 31);
      const packed = own | ((further >> 4) << 6);
      bytes[at + 4 + group] = packed;
      bytes[at + 8 + group] = packed;
      bytes[at + 12 + group] = (further & 15) | ((further & 15) << 4);
    }
  }
}

function putSignedSubScales(bytes: Uint8Array, at: number): void {
  for (let group = 0; group < 16; group++) {
    const drawn = bytes[at + group]!;
    const magnitude = 32 | (drawn & 31);
    bytes[at + group] = drawn & 128 ? 256 - magnitude : magnitude;
  }
}
