import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { bytesOf, f32Of, fixturesPath, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { randomWeights, randomSource } from '../tensor/codec/random-weights.ts';
import { roundActivations } from '../tensor/codec/round-activations.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { CapacityError } from '../tensor/errors.ts';
import { Q4_1 } from '../tensor/formats/q4-1.ts';
import { scalePlaces } from '../tensor/formats/scale-places.ts';
import { SCALE_BYTES } from '../tensor/formats/scale-values.ts';
import { blockFormatOf, formatOf, takesInt8 } from '../tensor/formats/weight-formats.ts';
import { bytesOfElements, WEIGHT_TYPES, type WeightType } from '../tensor/tensor-type.ts';
import {
  checkKernels, compareWithScalar, describeCase, distinctTypes, instantiateKernels, matmulCases, placeMatrix, randomProblem, runMatmul,
  type KernelInstance, type MatmulCase,
} from './kernel-check.ts';
import { ACTIVATION_BLOCK, matmulScalar } from './matmul-scalar.ts';
import { codeOfFormat, weightCode } from './weight-code.ts';

const BASE = 65536;
const TYPES = distinctTypes();
/** Those that multiply int8 activations. */
const INT8_TYPES = TYPES.filter(takesInt8);

function compileModule(file: string): WebAssembly.Module {
  const bytes = readFileSync(new URL(`../../dist/wasm/${file}`, import.meta.url));
  if (!WebAssembly.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  return new WebAssembly.Module(bytes);
}

const MODULES = ['cpu.wasm', 'cpu-relaxed.wasm'].map((file) => [file, compileModule(file)] as const);

function whole(type: WeightType, rows: number, cols: number, xRows: number): MatmulCase {
  return { type, rows, cols, xRows, rowBegin: 0, rowEnd: rows };
}

/** Formats that ggml has: their goldens are gguf-py's. */
const GGML_TYPES = WEIGHT_TYPES.filter((type) => formatOf(type).ggmlId !== undefined && type !== 'f32');

describe.each(MODULES)('%s', (_, module) => {
  test('every type and shape agrees with the scalar twin, cold and hot', () => {
    expect(checkKernels(module, { hotCalls: 40 })).toEqual([]);
  });

  test.each(TYPES)('%s agrees after a thousand calls and for long rows', (type) => {
    const instance = instantiateKernels(module, 32 * 1024 * 1024);
    for (const problem of [whole(type, 9, 256, 1), whole(type, 9, 256, 26)]) {
      const { weights, x } = randomProblem(problem, 5);
      for (let call = 0; call < 1000; call++) runMatmul(instance, problem, weights, x);
      expect(compareWithScalar(problem, weights, x, runMatmul(instance, problem, weights, x))).toBeUndefined();
    }
    for (const problem of [whole(type, 11, 9728, 1), whole(type, 11, 9728, 50)]) {
      const { weights, x } = randomProblem(problem, 6);
      expect(compareWithScalar(problem, weights, x, runMatmul(instance, problem, weights, x))).toBeUndefined();
    }
  });

  test.each(INT8_TYPES)('%s gives a row the same bits alone and in any batch', (type) => {
    const batch = whole(type, 19, 768, 27);
    const { weights, x } = randomProblem(batch, 7);
    const instance = instantiateKernels(module);
    const together = runMatmul(instance, batch, weights, x);
    for (let r = 0; r < batch.xRows; r++) {
      const alone = runMatmul(instance, { ...batch, xRows: 1 }, weights, x.subarray(r * batch.cols, (r + 1) * batch.cols));
      expect([...alone]).toEqual([...together.subarray(r * batch.rows, (r + 1) * batch.rows)]);
    }
  });

  test.each(INT8_TYPES)('%s is exact at the ends of its codes', (type) => {
    for (const fill of [0x00, 0x7f, 0x80, 0xff]) {
      for (const xRows of [1, 26]) {
        const problem = whole(type, 5, 256, xRows);
        const { weights } = randomProblem(problem, 8);
        const scales = weights.slice();
        weights.fill(fill);
        const format = blockFormatOf(type);
        for (let at = 0; at < weights.length; at += format.blockBytes) {
          for (const { format: floats, offset } of scalePlaces(format)) {
            for (let i = 0; i < SCALE_BYTES[floats]; i++) weights[at + offset + i] = scales[at + offset + i]!;
          }
        }
        const x = Float32Array.from({ length: xRows * 256 }, (_value, i) => (i % 3 && fill & 1 ? 1 : -1));
        expect(compareWithScalar(problem, weights, x, runMatmul(instantiateKernels(module), problem, weights, x))).toBeUndefined();
      }
    }
  });

  test('activations are rounded exactly as the scalar twin rounds them', () => {
    const random = randomSource(3);
    const x = Float32Array.from({ length: 32 * 64 }, (_value, i) => (random() - 0.5) * 10 ** ((i >> 5) % 40 - 34));
    for (let i = 0; i < 32; i++) x[i] = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -126.5, 3][i % 8]!;
    x.set([NaN, 1], 32);
    x.set([Infinity, -1], 64);
    x.set([-Infinity, 3e38], 96);
    x.fill(0, 128, 160);
    x.fill(-3.4e38, 160, 192);
    expectSameRounding(instantiateKernels(module), x);
  });

  test('NaN and infinite activations reach the result as NaN', () => {
    for (const type of TYPES) {
      for (const xRows of [1, 26]) {
        const problem = whole(type, 4, 256, xRows);
        const { weights, x } = randomProblem(problem, 9);
        x[5] = NaN;
        const y = runMatmul(instantiateKernels(module), problem, weights, x);
        expect([...y.subarray(0, 4)].every(Number.isNaN)).toBe(true);
        expect([...y.subarray(4)].some(Number.isNaN)).toBe(false);
      }
    }
  });

  test.each(TYPES)('%s times activations up to the end of f32: right wherever a sum has room, else never finite', (type) => {
    for (const xRows of [1, 26]) {
      for (const size of [1e18, 1e25, 1e31, 1e35, 1e37, 3e38]) {
        const problem = whole(type, 12, 256, xRows);
        const { weights, x } = randomProblem(problem, 14);
        const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        // Of one sign: what a format takes off its codes is then at its largest too.
        const huge = x.map((value) => (Math.abs(value) / largest) * size);
        const y = runMatmul(instantiateKernels(module), problem, weights, huge);
        const want = matmulScalar({ ...problem, weights, x: huge });
        y.forEach((value, i) => {
          const [exact, magnitude] = [want.y[i]!, want.magnitude[i]!];
          if (magnitude < 3e38) expect(Math.abs(value - exact)).toBeLessThanOrEqual(1e-5 * magnitude);
          else if (Math.abs(exact) > 3.5e38) expect(Number.isFinite(value)).toBe(false);
        });
      }
    }
  });

  const wideScales = INT8_TYPES.filter((type) => SCALE_BYTES[blockFormatOf(type).scale.format] > 1);
  test.each(['f16' as const, ...wideScales])('%s keeps infinite and NaN scales', (type) => {
    const format = formatOf(type);
    const [place] = format.kind === 'block' ? scalePlaces(format) : [{ format: 'f16', offset: 0 } as const];
    const wild = { f16: [0x7c00, 0xfe00], bf16: [0x7f80, 0xffc0], f32: [0x7f800000, 0xffc00000] }[place?.format as 'f16'];
    for (const [bits, isExpected] of [[wild[0]!, (v: number) => !Number.isFinite(v)], [wild[1]!, Number.isNaN]] as const) {
      for (const xRows of [1, 26]) {
        const problem = whole(type, 4, 256, xRows);
        const { weights, x } = randomProblem(problem, 10);
        for (let i = 0; i < (place?.format === 'f32' ? 4 : 2); i++) weights[place!.offset + i] = (bits >>> (8 * i)) & 255;
        const y = runMatmul(instantiateKernels(module), problem, weights, x);
        for (let r = 0; r < xRows; r++) {
          expect(isExpected(y[4 * r]!)).toBe(true);
          expect(Number.isFinite(y[4 * r + 1]!)).toBe(true);
        }
      }
    }
  });

  test.each(['q8_0', 'q4_0', 'q4_k', 'q6_k'] as const)('%s with subnormal scales, and with scales of zero', (type) => {
    const at = type === 'q6_k' ? 208 : 0;
    const { blockBytes } = formatOf(type);
    for (const patterns of [[0x0000, 0x8000, 0x1234], [0x0001, 0x83ff, 0x0000, 0x2c01, 0x0400, 0x0200], [0x7bff, 0xfbff, 0x0000, 0x03ff]]) {
      for (const xRows of [1, 26]) {
        const problem = whole(type, 11, 768, xRows);
        const { weights, x } = randomProblem(problem, 15);
        const view = new DataView(weights.buffer, weights.byteOffset);
        for (let block = 0; block * blockBytes < weights.length; block++)
          view.setUint16(block * blockBytes + at, patterns[block % patterns.length] as number, true);
        expect(compareWithScalar(problem, weights, x, runMatmul(instantiateKernels(module), problem, weights, x))).toBeUndefined();
      }
    }
  });

  // Exponents of 2^-128 on, and e4m3 of which the last is a NaN that stands for 0.
  test.each([
    { type: 'mxfp4', scales: [[2, 120, 127, 131], [0, 1, 126]] }, { type: 'nvfp4', scales: [[0, 8, 0x37, 0x7e], [1, 7, 0x38, 0x7f]] },
  ] as const)(
    '$type with ordinary scales alone, and with others among them', ({ type, scales }) => {
      for (const patterns of scales) {
        for (const xRows of [1, 26]) {
          const problem = whole(type, 32, 192, xRows);
          const { weights, x } = randomProblem(problem, 16);
          const { blockBytes } = formatOf(type);
          const places = scalePlaces(blockFormatOf(type));
          for (let at = 0; at < weights.length; at += blockBytes) {
            for (const [i, { offset }] of places.entries()) weights[at + offset] = patterns[(at / blockBytes + i) % patterns.length]!;
          }
          expect(compareWithScalar(problem, weights, x, runMatmul(instantiateKernels(module), problem, weights, x))).toBeUndefined();
        }
      }
    });

  test.each(WEIGHT_TYPES)('rows of a matrix of %s are those of its file', (type) => {
    const [rows, cols] = [19, 768];
    const weights = randomWeights(type, rows, cols, randomSource(16));
    const instance = instantiateKernels(module);
    const { kernels, memory } = instance;
    let next = BASE;
    const take = (sizeBytes: number): number => {
      const at = next;
      next += 64 * Math.ceil(sizeBytes / 64);
      return at;
    };
    const w = placeMatrix(instance, { type, rows, cols }, weights, take);
    const fileAt = take(weights.length);
    new Uint8Array(memory.buffer).set(weights, fileAt);
    const [found, wanted] = [take(4 * cols), take(4 * cols)];
    const rowBytes = bytesOfElements(type, cols);
    for (let row = 0; row < rows; row++) {
      kernels.matrixRow(weightCode(type), w, rowBytes, row, found, cols);
      kernels.dequantizeRow(weightCode(type), fileAt + row * rowBytes, wanted, cols);
      // A scale of zero loses the signs of its zeros.
      const values = (at: number) => Array.from(new Float32Array(memory.buffer, at, cols), (value) => value + 0);
      expect(values(found)).toEqual(values(wanted));
    }
  });

  test('too little scratch is slower, not wrong', () => {
    for (const type of TYPES) {
      const instance = instantiateKernels(module);
      const problem = whole(type, 9, 512, 26);
      const { weights, x } = randomProblem(problem, 11);
      const full = instance.kernels.matmulScratchBytes;
      for (const scratchBytes of [640, 1024, 12 * 1024]) {
        const kernels = { ...instance.kernels, matmulScratchBytes: () => scratchBytes };
        expect(full(weightCode(type), 512)).toBeGreaterThan(0);
        expect(compareWithScalar(problem, weights, x, runMatmul({ ...instance, kernels }, problem, weights, x))).toBeUndefined();
      }
    }
  });

  test.each(GGML_TYPES)('dequantizeRow gives the values of gguf-py: %s', (type) => {
    const golden = readFixtureTensors(`${fixturesPath}quant/quant.safetensors`);
    const want = f32Of(golden, `${type.toUpperCase()}.values`);
    const blocks = bytesOf(golden, `${type.toUpperCase()}.blocks`);
    const { kernels, memory } = instantiateKernels(module);
    const outAt = BASE + 16 * Math.ceil((blocks.length + 1) / 16);
    new Uint8Array(memory.buffer).set(blocks, BASE + 1);
    kernels.dequantizeRow(weightCode(type), BASE + 1, outAt, want.length);
    expect([...new Float32Array(memory.buffer, outAt, want.length)]).toEqual([...want]);
  });

  test.each(WEIGHT_TYPES)('dequantizeRow gives what the record says: %s', (type) => {
    const cols = 3 * Math.max(formatOf(type).blockSize, 32);
    const bytes = randomWeights(type, 1, cols, randomSource(15));
    const want = new Float32Array(cols);
    decodeRows(type, bytes, want);
    const { kernels, memory } = instantiateKernels(module);
    new Uint8Array(memory.buffer).set(bytes, BASE + 1);
    kernels.dequantizeRow(weightCode(type), BASE + 1, 2 * BASE, cols);
    const got = new Float32Array(memory.buffer, 2 * BASE, cols);
    const format = formatOf(type);
    // A product with an f32 is rounded before the minimum is added.
    const allowed = format.kind === 'block' && format.scale.format === 'f32' ? 2e-7 : 0;
    const largest = Math.max(...want.map(Math.abs));
    got.forEach((value, i) => expect(Math.abs(value - want[i]!)).toBeLessThanOrEqual(allowed * largest));
  });

  test('a number that no kernel has traps', () => {
    const { kernels, memory } = instantiateKernels(module);
    const wrong = [7, 15, weightCode('q4_1') & ~15, (weightCode('q4_1') & ~15) | 9, weightCode('affine3_g64_f16') & ~(7 << 7)];
    for (const number of wrong) {
      expect(() => kernels.dequantizeRow(number, BASE, 2 * BASE, 256), `${number}`).toThrow(WebAssembly.RuntimeError);
      for (const xRows of [1, 9]) {
        const run = () => kernels.matmul(number, BASE, 256, 0, 4, 256, 3 * BASE, 2048, xRows, 4 * BASE, 16, 5 * BASE, 16 * BASE);
        expect(run, `${number}`).toThrow(WebAssembly.RuntimeError);
      }
    }
    expect(memory.buffer.byteLength).toBeGreaterThan(21 * BASE);
  });

  test('every f16 pattern is converted, in rows and in products', () => {
    const { kernels, memory } = instantiateKernels(module);
    const patterns = Uint16Array.from({ length: 65536 }, (_value, i) => i);
    const bytes = new Uint8Array(patterns.buffer);
    new Uint8Array(memory.buffer).set(bytes, BASE);
    kernels.dequantizeRow(weightCode('f16'), BASE, 4 * BASE, 65536);
    const rows = new Float32Array(memory.buffer, 4 * BASE, 65536);
    expect(rows[1]).toBe(2 ** -24);
    expect(rows[0x83ff]).toBe(-1023 * 2 ** -24);
    expect(rows[0x3c01]).toBe(1 + 2 ** -10);
    expect(rows[0xfc00]).toBe(-Infinity);
    expect(rows[0x7e00]).toBeNaN();
    const wanted = rows.slice();
    for (const xRows of [1, 4]) {
      const instance = instantiateKernels(module, 8 * 1024 * 1024);
      const problem = whole('f16', 65536, 1, xRows);
      // Eight columns of which seven are times zero would lose infinities; single columns keep each pattern apart.
      const y = runMatmul(instance, problem, bytes, new Float32Array(xRows).fill(1));
      for (let i = 0; i < 65536; i++) if (!Object.is(y[i]! + 0, wanted[i]! + 0)) expect([i, y[i]]).toEqual([i, wanted[i]]);
    }
    expectVectorHalves(module, wanted);
  });
});

/** Rows of eight equal patterns: the vector path, including exponents 0 and 31. */
function expectVectorHalves(module: WebAssembly.Module, values: Float32Array): void {
  const instance = instantiateKernels(module, 8 * 1024 * 1024);
  const x = Float32Array.of(1, 0.5, 0.25, 2, 1, 1, 4, 0.25);
  const sum = x.reduce((a, b) => a + b, 0);
  for (let first = 0; first < 65536; first += 4096) {
    const bytes = new Uint8Array(Uint16Array.from({ length: 8 * 4096 }, (_value, i) => first + (i >> 3)).buffer);
    for (const xRows of [1, 4]) {
      const batch = new Float32Array(8 * xRows);
      for (let r = 0; r < xRows; r++) batch.set(x, 8 * r);
      const y = runMatmul(instance, whole('f16', 4096, 8, xRows), bytes, batch);
      for (let i = 0; i < 4096; i++) {
        const want = values[first + i]! * sum;
        if (!Object.is(y[i]! + 0, want + 0)) expect([first + i, y[i]]).toEqual([first + i, want]);
      }
    }
  }
}

function expectSameRounding({ kernels, memory }: KernelInstance, x: Float32Array): void {
  const outAt = BASE + 4 * x.length;
  new Float32Array(memory.buffer, BASE, x.length).set(x);
  kernels.quantizeRow(BASE, outAt, x.length);
  const want = roundActivations(x, ACTIVATION_BLOCK);
  for (let block = 0; block < x.length / 32; block++) {
    const view = new DataView(memory.buffer, outAt + 48 * block, 48);
    const codes = [...want.codes.subarray(32 * block, 32 * block + 32)];
    const sumOf = (isWanted: (column: number) => boolean) => codes.reduce((sum, code, i) => (isWanted(i) ? sum + code : sum), 0);
    const pairSums = [0, 2, 16, 18].map((first) => sumOf((i) => i >> 4 === first >> 4 && (i & 2) === (first & 2)));
    expect([...new Int8Array(memory.buffer, outAt + 48 * block + 16, 32)]).toEqual(codes);
    expect(view.getFloat32(0, true)).toBe(want.scales[block]);
    expect(view.getInt32(4, true)).toBe(8 * sumOf(() => true));
    expect([8, 10, 12, 14].map((at) => view.getInt16(at, true))).toEqual(pairSums.map((sum) => 32 * sum));
  }
}

test('both modules give the same for quantised weights, but for multiplications that one fuses with additions', () => {
  for (const problem of matmulCases().filter(({ type }) => takesInt8(type))) {
    const { weights, x } = randomProblem(problem, 12);
    const { magnitude } = matmulScalar({ ...problem, weights, x });
    const results = MODULES.map(([, module]) => runMatmul(instantiateKernels(module), problem, weights, x));
    const [plain, relaxed] = results as [Float32Array, Float32Array];
    const differs = plain.findIndex((value, i) => Math.abs(value - (relaxed[i] as number)) > 3e-7 * (magnitude[i] as number));
    expect(differs, describeCase(problem)).toBe(-1);
  }
});

test('a format that no kernel covers is refused by its name', () => {
  expect(codeOfFormat(Q4_1)).toBe(weightCode('q4_1'));
  const plane = Q4_1.codePlanes[0]!;
  for (const change of [
    { scale: { levels: 1, format: 'bf16', offset: 0 } }, { codePlanes: [{ ...plane, run: 4 }] }, { minimum: undefined }, { blockBytes: 22 },
    { code: { kind: 'offset', zeroPoint: 3 } }, { code: { kind: 'integers', values: Array.from({ length: 16 }, (_, i) => i) } },
    { codePlanes: [{ ...plane, offset: 6 }], blockBytes: 22 }, { groupSize: 16 },
  ] as const) {
    const code = () => codeOfFormat({ ...Q4_1, ...change, name: 'q4_9' });
    expect(code, JSON.stringify(change)).toThrow(CapacityError);
    expect(code).toThrow(/no kernel for weights of type q4_9/);
  }
});

test('the comparison can fail', () => {
  const problem = whole('q4_0', 3, 64, 2);
  const { weights, x } = randomProblem(problem, 13);
  const y = runMatmul(instantiateKernels(MODULES[0]![1]), problem, weights, x);
  y[4] = y[4]! + 1e-2;
  expect(compareWithScalar(problem, weights, x, y)).toMatch(/y\[1\]\[1\] is/);
  expect(randomWeights('q6_k', 1, 256, randomSource(1)).length).toBe(bytesOfElements('q6_k', 256));
});
