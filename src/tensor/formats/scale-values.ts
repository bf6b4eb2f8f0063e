/** The small float formats that scales come in: bytes, value of a bit pattern, bit pattern of a value. */
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16, putHalf } from '../half.ts';

/**
 * - `e8m0`: a power of two, 2^(e - 127), whose 255 is NaN (OCP Microscaling 1.0).
 * - `e8m0Half`: half of that, for codebooks that hold doubled values (ggml's MXFP4).
 * - `ue4m3Half`: half of an e4m3 without a sign, whose 0x7f is 0 (ggml's NVFP4).
 * - `e4m3`: sign, 4 bits of exponent (bias 7), 3 of mantissa; 0x7f and 0xff are NaN (OCP FP8).
 */
export type ScaleFormat = 'f16' | 'bf16' | 'f32' | 'e8m0' | 'e8m0Half' | 'ue4m3Half' | 'e4m3';

export const SCALE_BYTES = {
  f16: 2, bf16: 2, f32: 4, e8m0: 1, e8m0Half: 1, ue4m3Half: 1, e4m3: 1,
} as const satisfies Record<ScaleFormat, number>;

/** The 256 values of e4m3. */
export const E4M3_VALUES: readonly number[] = Array.from({ length: 256 }, (_, bits) => {
  const [sign, magnitude] = [bits & 0x80 ? -1 : 1, bits & 0x7f];
  if (magnitude === 0x7f) return NaN;
  const [exponent, mantissa] = [magnitude >> 3, magnitude & 7];
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7));
});

/** The eight magnitudes of e2m1 (OCP Microscaling 1.0), doubled so that they are integers, then the negative ones. */
export const E2M1_DOUBLED: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

const f32View = new DataView(new ArrayBuffer(4));

/** The value of the scale at `at`. */
export function readScale(format: ScaleFormat, bytes: Uint8Array, at: number): number {
  const byte = bytes[at] as number;
  switch (format) {
    case 'f16':
      return f16ToF32(byte | ((bytes[at + 1] as number) << 8));
    case 'bf16':
      return bf16ToF32(byte | ((bytes[at + 1] as number) << 8));
    case 'f32':
      for (let i = 0; i < 4; i++) f32View.setUint8(i, bytes[at + i] as number);
      return f32View.getFloat32(0, true);
    case 'e8m0':
      return byte === 255 ? NaN : 2 ** (byte - 127);
    case 'e8m0Half':
      return byte === 255 ? NaN : 2 ** (byte - 128);
    case 'ue4m3Half':
      return byte === 0x7f ? 0 : 0.5 * Math.abs(E4M3_VALUES[byte & 0x7f] as number);
    case 'e4m3':
      return E4M3_VALUES[byte] as number;
    default:
      throw new Error(`no reader of scales in ${format satisfies never}`);
  }
}

/** Writes the scale nearest to `value`; of the formats of one byte a positive one, of an exponent alone the greatest that is no larger. */
export function putScale(format: ScaleFormat, bytes: Uint8Array, at: number, value: number): void {
  switch (format) {
    case 'f16':
      return putHalf(bytes, at, f32ToF16(value));
    case 'bf16':
      return putHalf(bytes, at, f32ToBf16(value));
    case 'f32':
      f32View.setFloat32(0, value, true);
      for (let i = 0; i < 4; i++) bytes[at + i] = f32View.getUint8(i);
      return;
    case 'e8m0':
    case 'e8m0Half': {
      const exponent = Math.floor(Math.log2(Math.abs(value))) + (format === 'e8m0' ? 127 : 128);
      bytes[at] = Math.min(254, Math.max(0, exponent));
      return;
    }
    case 'ue4m3Half':
    case 'e4m3':
      bytes[at] = nearestE4M3(Math.abs(value) * (format === 'e4m3' ? 1 : 2));
      return;
    default:
      throw new Error(`no writer of scales in ${format satisfies never}`);
  }
}

function nearestE4M3(value: number): number {
  let best = 0;
  for (let bits = 1; bits < 0x7f; bits++) {
    if (Math.abs((E4M3_VALUES[bits] as number) - value) < Math.abs((E4M3_VALUES[best] as number) - value)) best = bits;
  }
  return best;
}
