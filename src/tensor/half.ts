/**
 * 16-bit floats: IEEE 754 binary16 (f16) and bfloat16 (bf16), to and from f32.
 * Encoding rounds to nearest, ties to even; infinities, NaN and subnormals are kept.
 */

const f32Bits = new Uint32Array(1);
const f32Value = new Float32Array(f32Bits.buffer);

/** Value of every f16 bit pattern: 256 KiB, and one load per conversion instead of a branch. */
export const F16_TO_F32: Float32Array = f16Table();

/** Made by moving bit fields, which takes a fraction of the time that powers do: every worker pays for it at its start. */
function f16Table(): Float32Array {
  const bits = new Uint32Array(65536);
  const values = new Float32Array(bits.buffer);
  for (let half = 0; half < 32768; half++) {
    const exponent = half >> 10;
    const mantissa = half & 1023;
    if (exponent === 0) values[half] = mantissa * 2 ** -24;
    else bits[half] = ((exponent === 31 ? 255 : exponent + 112) << 23) | (mantissa << 13);
    bits[half + 32768] = bits[half]! | 0x80000000;
  }
  return values;
}

/** The value of an f16 bit pattern (the low 16 bits of `bits`). */
export function f16ToF32(bits: number): number {
  return F16_TO_F32[bits & 0xffff] as number;
}

/** The f16 bit pattern nearest to `value` as f32; beyond 65,504 (from 65,520 on) it is infinity. */
export function f32ToF16(value: number): number {
  f32Value[0] = value;
  const bits = f32Bits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 0x477ff000 is 65,520: halfway between the largest f16 and the power of two above it.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const odd = (magnitude >>> 13) & 1;
    return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
  }
  return sign | roundTiesToEven(Math.abs(f32Value[0] as number) * 2 ** 24);
}

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor & 1) ? floor + 1 : floor;
}

/** The value of a bf16 bit pattern (the low 16 bits of `bits`). */
export function bf16ToF32(bits: number): number {
  f32Bits[0] = bits << 16;
  return f32Value[0] as number;
}

/** The bf16 bit pattern nearest to `value` as f32. */
export function f32ToBf16(value: number): number {
  f32Value[0] = value;
  const bits = f32Bits[0] as number;
  // A NaN whose payload lies in the lower half would otherwise become infinity.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Writes a bit pattern of 16 bits, lower byte first. */
export function putHalf(bytes: Uint8Array, at: number, bits: number): void {
  bytes[at] = bits;
  bytes[at + 1] = bits >> 8;
}
