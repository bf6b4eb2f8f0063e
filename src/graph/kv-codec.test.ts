import { describe, expect, it } from 'vitest';
import { randomSource } from '../tensor/codec/random-weights.ts';
import { encodeKv, roundKv } from './kv-codec.ts';
import { describeKvTypes, kvVectorBytes, parseKvTypes } from './kv-types.ts';

const random = randomSource(1);
const vector = (length: number, size = 1) => Float64Array.from({ length }, () => size * (2 * random() - 1));

describe('codes of keys and values', () => {
  it('are multiples of a scale that is a bf16', () => {
    const exact = Float64Array.from({ length: 16 }, (_, i) => (i === 3 ? -127 : i - 8) / 64);
    expect(encodeKv('q8', exact)).toEqual({
      codes: Int8Array.from(exact, (x) => 64 * x), scales: Uint16Array.of(0x3c80),
    });
    // The value of the largest magnitude has code -8, whatever its sign.
    const nibbles = Float64Array.from({ length: 16 }, (_, i) => (8 - i) / 4);
    const codes = Int8Array.from(nibbles, (x) => Math.max(-8, Math.min(7, -4 * x)));
    expect(encodeKv('q4', nibbles)).toEqual({ codes, scales: Uint16Array.of(0xbe80) });
    expect([...roundKv('q4', nibbles, 16).subarray(0, 2), roundKv('q4', nibbles, 16)[15]]).toEqual([2, 1.75, -1.75]);
  });

  const sized = [['q8', 127, 0.51], ['q4', 8, 1.01]] as const;
  it.each(sized)('%s: every value within half a step of its group, at any size', (type, levels, most) => {
    for (const size of [1e-20, 1e-3, 1, 1e9]) {
      const x = vector(80, size);
      const rounded = roundKv(type, x, 80);
      let halves = 0;
      x.forEach((value, i) => {
        const group = x.subarray(i & ~15, (i & ~15) + 16);
        const step = (Math.max(...group.map(Math.abs)) / levels) * (1 + 2 ** -7);
        expect(Math.abs(rounded[i]! - value)).toBeLessThanOrEqual(most * step);
        if (Math.abs(rounded[i]! - value) > 0.51 * step) halves++;
      });
      // Only what lies near the largest value's opposite has no code.
      expect(halves).toBeLessThan(8);
    }
  });

  it('of heads whose width is no multiple of a group do not share scales', () => {
    const [a, b] = [vector(20), vector(20, 1e-6)];
    const both = roundKv('q8', Float64Array.of(...a, ...b), 20);
    expect([...both.subarray(20)]).toEqual([...roundKv('q8', b, 20)]);
    expect(both.some((x) => x === 0)).toBe(false);
  });

  it('keep zeros, and make NaN of a group with what is not finite', () => {
    expect([...roundKv('q8', new Float64Array(16), 16)]).toEqual(Array(16).fill(0));
    for (const bad of [NaN, Infinity]) {
      const x = vector(32);
      x[5] = bad;
      const rounded = roundKv('q4', x, 32);
      expect(rounded.subarray(0, 16).every(Number.isNaN)).toBe(true);
      expect(rounded.subarray(16).every(Number.isFinite)).toBe(true);
    }
  });

  it('take 18 or 10 bytes a group, and a pad', () => {
    expect([64, 80, 96, 112, 128, 256, 512].map((dim) => kvVectorBytes('q8', dim))).toEqual([80, 96, 112, 128, 144, 288, 576]);
    expect([64, 80, 96, 112, 128, 256, 512].map((dim) => kvVectorBytes('q4', dim))).toEqual([40, 56, 64, 72, 80, 160, 320]);
  });
});

describe('types of keys and values', () => {
  it('are one for both, or two', () => {
    expect([parseKvTypes('q8'), parseKvTypes('q8/q8'), parseKvTypes('q8/q4')]).toEqual([
      { type: 'q8' }, { type: 'q8' }, { type: 'q8', valueType: 'q4' },
    ]);
    expect([describeKvTypes({ type: 'f16' }), describeKvTypes({ type: 'f16', valueType: 'q4' })]).toEqual(['f16', 'f16/q4']);
  });

  it.each(['', 'q5', 'q8/', 'q8/q4/q4', 'Q8', 'toString'])('refuses %j', (choice) => {
    expect(() => parseKvTypes(choice as never)).toThrow('kvType must be one of f32, f16, q8, q4');
  });

  it.each(['f32/q8', 'f16/f32'] as const)('refuses %s', (choice) => {
    expect(() => parseKvTypes(choice)).toThrow('f32 goes with itself alone');
  });
});
