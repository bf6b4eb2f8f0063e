/**
 * 16-bit floats: IEEE 754 binary16 (f16) and bfloat16 (bf16), to and from f32.
 * Encoding rounds to nearest, ties to even; infinities, NaN and subnormals are kept.
 */

const f32Bits = new Uint32Array(1);
const f32Value = new Float32Array(f32Bits.buffer);

/** The f32 value of one f16 bit pattern, by arithmetic. */
function decodeF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** Value of every f16 bit pattern: 256 KiB, and one load per conversion instead of a branch. */
export const F16_TO_F32: Float32Array = Float32Array.from({ length: 65536 }, (_, bits) => decodeF16(bits));

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
