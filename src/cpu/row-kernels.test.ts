import { describe, expect, test } from 'vitest';
import { clampedGateFixture } from '../../test/clamped-gate-fixture.ts';
import { ACTIVATIONS } from '../graph/ops/activation.ts';
import type { ActivationName } from '../graph/ops/activation.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { ACTIVATION_FUNCTIONS } from '../reference/ops/activation.ts';
import { f16ToF32, f32ToF16 } from '../tensor/half.ts';
import { randomSource } from '../tensor/codec/random-weights.ts';
import { scalePlaces } from '../tensor/formats/scale-places.ts';
import { SCALE_BYTES } from '../tensor/formats/scale-values.ts';
import type { ScaleFormat } from '../tensor/formats/scale-values.ts';
import { formatOf, WEIGHT_TYPES } from '../tensor/formats/weight-formats.ts';
import { createMemory } from './kernel-module.ts';
import { activationCode } from './ops/activation.ts';
import { weightCode } from './weight-code.ts';

interface RowKernels {
  heapBase(): number;
  rmsNormVector(x: number, gain: number, eps: number, out: number, count: number): void;
  layerNormVector(x: number, gain: number, bias: number, eps: number, out: number, count: number): void;
  ropeVector(x: number, table: number, half: number): void;
  activationRow(fn: number, x: number, up: number, out: number, count: number): void;
  clampedGateRow(fn: number, limit: number, offset: number, gate: number, up: number, out: number, count: number): void;
  addRow(a: number, b: number, out: number, count: number): void;
  scaleRow(x: number, factor: number, out: number, count: number): void;
  softcapRow(x: number, cap: number, out: number, count: number): void;
  expRow(x: number, out: number, count: number): void;
  packHalves(from: number, to: number, count: number, padded: number): number;
  unpackHalves(from: number, to: number, vectors: number, width: number): void;
  unpackAnyHalves(from: number, to: number, vectors: number, width: number): void;
  firstBad(type: number, weight: number, begin: number, end: number): number;
}

const MODULES = Object.entries(await readKernelModules()).map(([name, bytes]) => [name, new WebAssembly.Module(bytes)] as const);
const COUNTS = [1, 2, 3, 4, 5, 7, 8, 10, 16, 24, 37, 128, 1023];

/** A fresh instance: the first calls of each test run cold code. */
function open(module: WebAssembly.Module) {
  const memory = createMemory();
  const kernels = new WebAssembly.Instance(module, { env: { memory, abort() {} } }).exports as unknown as RowKernels;
  let next = kernels.heapBase() + 16;
  const place = (values: ArrayLike<number>) => {
    const at = next;
    next += Math.ceil((values.length * 4 + 32) / 16) * 16;
    const view = new Float32Array(memory.buffer, at, values.length);
    view.set(values);
    return { at, view };
  };
  return { memory, kernels, place };
}

/** Where the f16 of value i of a vector lies: of eight values, i and i + 4 share a word. */
function halfPlace(i: number, width: number): number {
  return i < width - (width % 8) ? (i & ~7) | ((i & 3) << 1) | ((i >> 2) & 1) : i;
}

function random(count: number, seed: number, range = 4): Float32Array {
  const next = randomSource(seed);
  return Float32Array.from({ length: count }, () => (next() - 0.5) * range);
}

function expectRelative(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  for (let i = 0; i < wanted.length; i++) {
    const w = wanted[i] as number;
    if (!(Math.abs((found[i] as number) - w) <= tolerance * Math.max(Math.abs(w), 1e-30))) expect([i, found[i]]).toEqual([i, w]);
  }
}

/** Relative errors of an exponent in f32: silu's is the value itself, geluTanh's a cubic of it, gelu's its square. */
const EXPONENT_ERROR: Readonly<Record<ActivationName, number>> = {
  silu: 0, geluTanh: 2e-7, gelu: 7e-8, identity: 0, sigmoid: 0, quickGelu: 1.2e-7, tanh: 0, relu: 0,
  leakyFifth: 0, leakyTenth: 0, leakyHundredth: 0,
};

/** Relative: in a tail, y is x times e to some power, whose own error counts as often as its size says. */
function allowedError(fn: ActivationName, x: number, y: number): number {
  return 6e-7 + (y === 0 || EXPONENT_ERROR[fn] === 0 ? 0 : EXPONENT_ERROR[fn] * Math.abs(Math.log(Math.abs(y / x))));
}

/** Bit patterns of each format of floats that are infinite or NaN. */
const WILD = {
  f32: [0x7f800000, 0xff800000, 0x7fc00000], f16: [0x7c00, 0xfc00, 0x7e01], bf16: [0x7f80, 0xff80, 0x7fc1],
  e8m0: [255], e8m0Half: [255], ue4m3Half: [255], e4m3: [0x7f, 0xff],
} as const satisfies Record<ScaleFormat, readonly number[]>;

/** Type, byte of a block, patterns and their bytes: every float of every block, and codes that are floats. */
const BAD_PLACES = WEIGHT_TYPES.flatMap((type) => {
  const format = formatOf(type);
  const places = format.kind === 'float' ? [{ format: format.format, offset: 0 }] : [
    ...scalePlaces(format),
    ...(format.code.kind === 'floats' ? [0, 7, 31] : [])
      .map((i) => ({ format: 'e4m3', offset: format.codePlanes[0]!.offset + i }) as const),
  ];
  return places.map((place) => [type, place.offset, WILD[place.format], SCALE_BYTES[place.format]] as const);
});

describe.each(MODULES)('%s', (_, module) => {
  test('exp over its range', () => {
    const { kernels, place } = open(module);
    const values = Float32Array.from({ length: 8000 }, (_unused, i) => -86.9 + (i * 174) / 8000);
    const x = place(values);
    kernels.expRow(x.at, x.at, values.length);
    expectRelative(x.view, Array.from(values, (value) => Math.exp(value)), 2.5e-7);
    const edges = place([-Infinity, -88, -1e9, 0]);
    kernels.expRow(edges.at, edges.at, 4);
    expect([...edges.view]).toEqual([0, 0, 0, 1]);
    const nan = place([NaN, NaN, NaN, NaN]);
    kernels.expRow(nan.at, nan.at, 4);
    expect([...nan.view]).toEqual([NaN, NaN, NaN, NaN]);
  });

  test.each(COUNTS)('rmsNorm of %i values', (count) => {
    const { kernels, place } = open(module);
    const [x, gain] = [random(count, 1), random(count, 2)];
    const [xAt, gainAt] = [place(x), place(gain)];
    const out = place(new Float32Array(count + 4).fill(77));
    kernels.rmsNormVector(xAt.at, gainAt.at, 1e-5, out.at, count);
    const mean = x.reduce((sum, value) => sum + value * value, 0) / count;
    expectRelative(out.view.subarray(0, count), Array.from(x, (value, i) => (value * (gain[i] as number)) / Math.sqrt(mean + 1e-5)), 1e-6);
    expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
    kernels.rmsNormVector(xAt.at, 0, 1e-5, out.at, count);
    expectRelative(out.view.subarray(0, count), Array.from(x, (value) => value / Math.sqrt(mean + 1e-5)), 1e-6);
    expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
  });

  test.each(COUNTS)('layerNorm of %i values', (count) => {
    const { kernels, place } = open(module);
    const [gain, bias] = [place(random(count, 2)), place(random(count, 3))];
    // Around 0, and far from it.
    for (const [offset, size] of [[0, 1], [1000, 1], [-3, 1e-4], [0, 1e15], [2e18, 1e18], [0, 1e37]] as const) {
      const x = place(random(count, 1).map((value) => offset + size * value));
      const out = place(new Float32Array(count + 4).fill(77));
      kernels.layerNormVector(x.at, gain.at, bias.at, 1e-5, out.at, count);
      const mean = x.view.reduce((sum, value) => sum + value / count, 0);
      const variance = x.view.reduce((sum, value) => sum + (value - mean) ** 2 / count, 0);
      const normed = Array.from(x.view, (value) => (value - mean) / Math.sqrt(variance + 1e-5));
      normed.forEach((value, i) => {
        const want = value * gain.view[i]! + bias.view[i]!;
        if (!(Math.abs(out.view[i]! - want) <= 3e-6)) expect([offset, size, out.view[i]]).toEqual([offset, size, want]);
      });
      expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
      const biased = [...out.view];
      kernels.layerNormVector(x.at, gain.at, 0, 1e-5, x.at, count);
      x.view.forEach((value, i) => expect(Math.abs(value + bias.view[i]! - biased[i]!)).toBeLessThan(3e-6));
    }
  });

  test('layerNorm of NaN and infinity is NaN, all of it', () => {
    const { kernels, place } = open(module);
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const at of [0, 9, 10]) {
        const x = place(random(11, 1).map((value, i) => (i === at ? bad : value)));
        kernels.layerNormVector(x.at, place(random(11, 2)).at, 0, 1e-5, x.at, 11);
        expect([...x.view].every(Number.isNaN)).toBe(true);
      }
    }
  });

  test.each(COUNTS)('rmsNorm of %i values whose squares f32 does not hold', (count) => {
    const { kernels, place } = open(module);
    const [x, gain] = [random(count, 1), place(random(count, 2))];
    for (const size of [1e15, 1e17, 1e18, 1e19, 3e19, 1e25, 1e31, 1e38, 1.6e38]) {
      const huge = x.map((value) => value * size);
      // One far smaller, as they come in real streams: it keeps its share.
      huge[0] = 1e-3 * size;
      const [xAt, out] = [place(huge), place(new Float32Array(count))];
      kernels.rmsNormVector(xAt.at, gain.at, 1e-5, out.at, count);
      const mean = Array.from(huge, (value) => value * value).reduce((a, b) => a + b) / count;
      const want = Array.from(huge, (value, i) => (value * (gain.view[i] as number)) / Math.sqrt(mean + 1e-5));
      expectRelative(out.view, want, 2e-6);
      kernels.rmsNormVector(xAt.at, gain.at, 1e-5, xAt.at, count);
      expect([...xAt.view]).toEqual([...out.view]);
    }
  });

  test('rmsNorm of NaN and infinity is NaN, all of it', () => {
    const { kernels, place } = open(module);
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const at of [0, 9, 10]) {
        const x = place(random(11, 1).map((value, i) => (i === at ? bad : value)));
        kernels.rmsNormVector(x.at, place(random(11, 2)).at, 1e-5, x.at, 11);
        expect([...x.view].every(Number.isNaN)).toBe(true);
      }
    }
  });

  test.each(COUNTS)('rope of %i pairs', (half) => {
    const { kernels, place } = open(module);
    const x = random(2 * half + 1, 3);
    const table = Float32Array.from([...random(half, 4)].map(Math.cos).concat([...random(half, 4)].map(Math.sin)));
    const [xAt, tableAt] = [place(x), place(table)];
    kernels.ropeVector(xAt.at, tableAt.at, half);
    const wanted = Float64Array.from(x);
    for (let i = 0; i < half; i++) {
      const [a, b, cos, sin] = [x[i], x[half + i], table[i], table[half + i]] as [number, number, number, number];
      wanted[i] = a * cos - b * sin;
      wanted[half + i] = b * cos + a * sin;
    }
    xAt.view.forEach((value, i) => expect(Math.abs(value - (wanted[i] as number))).toBeLessThan(1e-6));
  });

  describe.each(ACTIVATIONS)('%s', (fn) => {
    test.each(COUNTS)('of %i values, alone and as a gate', (count) => {
      const { kernels, place } = open(module);
      const [x, up] = [random(count, 5, 60), random(count, 6)];
      const [xAt, upAt] = [place(x), place(up)];
      const out = place(new Float32Array(count + 4).fill(77));
      const wanted = Array.from(x, ACTIVATION_FUNCTIONS[fn]);
      const expectRow = (factors: (index: number) => number) =>
        wanted.forEach((y, i) => {
          const want = y * factors(i);
          const [found, allowed] = [out.view[i] as number, allowedError(fn, x[i] as number, y) * Math.abs(want) + 1e-37];
          if (!(Math.abs(found - want) <= allowed)) expect([x[i], found]).toEqual([x[i], want]);
        });
      kernels.activationRow(activationCode(fn), xAt.at, 0, out.at, count);
      expectRow(() => 1);
      kernels.activationRow(activationCode(fn), xAt.at, upAt.at, out.at, count);
      expectRow((i) => up[i] as number);
      expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
    });

    test('gates over all of f32', () => {
      const { kernels, place } = open(module);
      const gates = [
        0, -0, 1, -1, 20, -20, -60, -86, -87, -88, -89, -95, -100, -110, -140, -170, -200, -1e4, -1e20, -3e38, 88, 89, 1e4, 1e20, 3e38,
      ];
      const ups = [1, -1, 1e-20, 1e10, 1e20, -1e30, 3e38];
      for (const up of ups) {
        const [gate, upAt, out] = [place(gates), place(gates.map(() => up)), place(gates)];
        kernels.activationRow(activationCode(fn), gate.at, upAt.at, out.at, gates.length);
        gate.view.forEach((g, i) => {
          const value = ACTIVATION_FUNCTIONS[fn](g);
          const want = value * (upAt.view[i] as number);
          const found = out.view[i] as number;
          if (Math.abs(want) > 3.4e38) expect(Math.abs(found)).toBe(Infinity);
          else {
            const allowed = (4e-7 + allowedError(fn, g, value)) * Math.abs(want) + 1e-37;
            if (!(Math.abs(found - want) <= allowed)) expect([g, up, found]).toEqual([g, up, want]);
          }
        });
      }
      const wild = place([NaN, 1, -Infinity, Infinity]);
      kernels.activationRow(activationCode(fn), wild.at, place([1, NaN, 1, 0]).at, wild.at, 4);
      // Some have limits at the infinities; the others multiply by x.
      const kept = [-Infinity, NaN];
      const limits = {
        sigmoid: [0, 0], identity: kept, tanh: [-1, 0], relu: [0, NaN], leakyFifth: kept, leakyTenth: kept, leakyHundredth: kept,
      };
      const atInfinities = limits[fn as keyof typeof limits] ?? [NaN, NaN];
      expect([...wild.view]).toEqual([NaN, NaN, ...atInfinities]);
    });
  });

  test('gates within bounds', () => {
    const { kernels, place } = open(module);
    const { limit, offset, gate, up, y } = clampedGateFixture();
    const [gateAt, upAt, out] = [place(gate), place(up), place(new Float32Array(y.length + 4).fill(77))];
    // Groups of four, and each value alone.
    for (const count of [y.length, 1]) {
      for (let i = 0; i < y.length; i += count) {
        kernels.clampedGateRow(activationCode('quickGelu'), limit, offset, gateAt.at + i * 4, upAt.at + i * 4, out.at + i * 4, count);
        if (count === y.length) expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
      }
      y.forEach((want, i) => {
        const allowed = allowedError('quickGelu', gate[i]!, want / (up[i]! + 1)) * Math.abs(want) + 1e-37;
        if (!(Math.abs(out.view[i]! - want) <= allowed)) expect([gate[i], up[i], out.view[i]]).toEqual([gate[i], up[i], want]);
      });
    }
    const wild = place([NaN, 1, 1, 1]);
    kernels.clampedGateRow(activationCode('quickGelu'), 7, 1, wild.at, place([1, NaN, Infinity, -Infinity]).at, wild.at, 4);
    const one = ACTIVATION_FUNCTIONS.quickGelu(1);
    expect([...wild.view]).toEqual([NaN, NaN, expect.closeTo(8 * one, 5), expect.closeTo(-6 * one, 5)]);
  });

  test.each(COUNTS)('add of %i values', (count) => {
    const { kernels, place } = open(module);
    const [a, b] = [random(count, 5, 60), random(count, 6)];
    const [aAt, bAt] = [place(a), place(b)];
    const out = place(new Float32Array(count + 4).fill(77));
    kernels.addRow(aAt.at, bAt.at, out.at, count);
    expect([...out.view.subarray(0, count)]).toEqual(Array.from(a, (value, i) => Math.fround(value + (b[i] as number))));
    expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
  });

  test.each(COUNTS)('a factor of %i values', (count) => {
    const { kernels, place } = open(module);
    const x = place(random(count, 5, 60));
    const out = place(new Float32Array(count + 4).fill(77));
    kernels.scaleRow(x.at, -0.3, out.at, count);
    expect([...out.view.subarray(0, count)]).toEqual(Array.from(x.view, (value) => Math.fround(value * Math.fround(-0.3))));
    expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
  });

  test.each(COUNTS)('softcap of %i values', (count) => {
    const { kernels, place } = open(module);
    for (const [cap, range] of [[30, 200], [0.7, 4], [50, 1e-3], [1e-3, 1]] as const) {
      const x = place(random(count, 5, range));
      const out = place(new Float32Array(count + 4).fill(77));
      kernels.softcapRow(x.at, cap, out.at, count);
      const exact = Math.fround(cap);
      expectRelative(out.view.subarray(0, count), Array.from(x.view, (value) => exact * Math.tanh(value / exact)), 5e-7);
      expect([...out.view.subarray(count)]).toEqual([77, 77, 77, 77]);
    }
  });

  test('softcap over all of f32', () => {
    const { kernels, place } = open(module);
    const x = place([0, -0, 1e-38, -1e-20, 0.62, 0.63, 9, -9, 40, 50, -100, 1e4, 3e38, -3e38, Infinity, -Infinity]);
    const want = Array.from(x.view, (value) => 2 * Math.tanh(value / 2));
    kernels.softcapRow(x.at, 2, x.at, want.length);
    expectRelative(x.view, want, 5e-7);
    const wild = place([NaN]);
    kernels.softcapRow(wild.at, 2, wild.at, 1);
    expect(wild.view[0]).toBeNaN();
  });

  test('f16 keys and values are rounded as the scalar code rounds them', () => {
    const { kernels, memory, place } = open(module);
    const values = [
      0,
      -0,
      1,
      -2,
      65504,
      65519,
      65520,
      1e9,
      -1e9,
      Infinity,
      -Infinity,
      2 ** -24,
      2 ** -25,
      1.5 * 2 ** -25,
      2 ** -14,
      6e-5,
      -6.1e-5,
      1 / 3,
    ];
    for (let bits = 0; bits < 0x7c00; bits += 7) {
      const [low, high] = [f16ToF32(bits), bits === 0x7bff ? 65536 : f16ToF32(bits + 1)];
      values.push(low, (low + high) / 2, -(low + high) / 2, low + (high - low) * 0.499, low + (high - low) * 0.501);
    }
    const x = place(values);
    const out = place(new Float32Array(values.length));
    const padded = Math.ceil(values.length / 4) * 4;
    kernels.packHalves(x.at, out.at, values.length, padded);
    const halves = new Uint16Array(memory.buffer, out.at, padded);
    for (let i = 0; i < padded; i++) {
      const [found, expected] = [halves[halfPlace(i, padded)], i < values.length ? f32ToF16(x.view[i] as number) : 0];
      if (found !== expected) expect([values[i], found]).toEqual([values[i], expected]);
    }
    for (const [tested, isBeyond] of [
      [[1, 65519, -65519, 0, 6e-8], 0],
      [[1, 65520], 1],
      [[1, 2, 3, 4, 5, -1e9], 1],
      [[NaN, 1, 1, 1], 1],
      [[1, 1, 1, 1, 1, 1, Infinity], 1],
    ] as const) {
      const from = place(tested);
      expect(kernels.packHalves(from.at, place(tested).at, tested.length, Math.ceil(tested.length / 4) * 4)).toBe(isBeyond);
    }
    const nan = place([NaN]);
    kernels.packHalves(nan.at, nan.at, 1, 4);
    expect(f16ToF32(new Uint16Array(memory.buffer, nan.at, 1)[0] as number)).toBeNaN();
  });

  test('every finite f16 pattern reads as its value', () => {
    const { kernels, memory, place } = open(module);
    const all = Array.from({ length: 65536 }, (_unused, bits) => bits).filter((bits) => (bits & 0x7c00) !== 0x7c00);
    memory.grow(16);
    const from = place(new Float32Array(all.length / 2));
    const to = place(new Float32Array(all.length));
    for (const width of [4, 12, 64]) {
      const patterns = new Uint16Array(memory.buffer, from.at, all.length);
      const used = all.length - (all.length % width);
      for (let i = 0; i < used; i++) patterns[i - (i % width) + halfPlace(i % width, width)] = all[i] as number;
      for (const unpack of [kernels.unpackHalves, kernels.unpackAnyHalves]) {
        unpack(from.at, to.at, used / width, width);
        expect(all.filter((bits, i) => i < used && !Object.is(to.view[i], f16ToF32(bits)))).toEqual([]);
      }
    }
    const wild = place(new Float32Array(4));
    new Uint16Array(memory.buffer, wild.at, 4).set([0x7c00, 0xfc00, 0x7e00, 0xfc01]);
    kernels.unpackAnyHalves(wild.at, to.at, 1, 4);
    expect([...to.view.subarray(0, 4)]).toEqual([Infinity, -Infinity, NaN, NaN]);
    new Uint16Array(memory.buffer, wild.at, 8).set([0x7c00, 0x3c00, 0xfc00, 0, 0x7e00, 0, 0, 0xfc01]);
    kernels.unpackAnyHalves(wild.at, to.at, 1, 8);
    expect([...to.view.subarray(0, 8)]).toEqual([Infinity, -Infinity, NaN, 0, 1, 0, 0, NaN]);
  });

  test.each(BAD_PLACES)('finds NaN and infinity in %s, byte %i', (type, offset, patterns, width) => {
    const stride = formatOf(type).blockBytes;
    const { kernels, memory, place } = open(module);
    const blocks = 41;
    const { at } = place(new Float32Array(Math.ceil((blocks * stride) / 4)));
    const view = new DataView(memory.buffer, at, blocks * stride);
    for (let i = 0; i < blocks * stride; i++) view.setUint8(i, 0x33);
    const firstBad = (begin: number) => kernels.firstBad(weightCode(type), at, begin, blocks);
    expect(firstBad(0)).toBe(-1);
    for (const bad of [0, 1, 7, 8, 38, 40]) {
      for (const bits of patterns) {
        if (width === 1) view.setUint8(bad * stride + offset, bits);
        else if (width === 4) view.setUint32(bad * stride + offset, bits, true);
        else view.setUint16(bad * stride + offset, bits, true);
        expect(firstBad(0)).toBe(bad);
        expect(firstBad(bad + 1)).toBe(-1);
        for (let i = 0; i < width; i++) view.setUint8(bad * stride + offset + i, 0x33);
      }
    }
  });
});
