import { describe, expect, test } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from './half.ts';

describe('f16', () => {
  test('every pattern survives a round trip', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = f16ToF32(bits);
      if (Number.isNaN(value)) expect(f16ToF32(f32ToF16(value))).toBeNaN();
      else if (f32ToF16(value) !== bits) expect(f32ToF16(value)).toBe(bits);
    }
  });

  test('halfway values go to the even neighbour, others to the nearest', () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const low = f16ToF32(bits);
      // The pattern after the last finite one stands for 65,536 when rounding.
      const high = bits === 0x7bff ? 65536 : f16ToF32(bits + 1);
      const middle = (low + high) / 2;
      const even = bits & 1 ? bits + 1 : bits;
      const epsilon = Math.fround((high - low) * 2 ** -11);
      const got = [f32ToF16(middle), f32ToF16(middle - epsilon), f32ToF16(middle + epsilon), f32ToF16(-middle)];
      const want = [even, bits, bits + 1, even | 0x8000];
      if (got.some((g, i) => g !== want[i])) expect({ bits, got }).toEqual({ bits, got: want });
    }
  });

  test('known values', () => {
    const pairs = [[0, 0], [-0, 0x8000], [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [65519, 0x7bff], [65520, 0x7c00],
      [Infinity, 0x7c00], [-Infinity, 0xfc00], [2 ** -24, 1], [2 ** -25, 0], [2 ** -14, 0x0400], [1 / 3, 0x3555]] as const;
    for (const [value, bits] of pairs) expect([value, f32ToF16(value)]).toEqual([value, bits]);
    expect(f32ToF16(NaN) & 0x7c00).toBe(0x7c00);
  });
});

describe('bf16', () => {
  test('every pattern survives a round trip', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = bf16ToF32(bits);
      if (Number.isNaN(value)) expect(bf16ToF32(f32ToBf16(value))).toBeNaN();
      else if (f32ToBf16(value) !== bits) expect(f32ToBf16(value)).toBe(bits);
    }
  });

  test('ties go to even and overflow to infinity', () => {
    expect(f32ToBf16(1 + 2 ** -8)).toBe(0x3f80);
    expect(f32ToBf16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(f32ToBf16(1 + 2 ** -8 + 2 ** -20)).toBe(0x3f81);
    expect(f32ToBf16(3.4028234663852886e38)).toBe(0x7f80);
  });
});
