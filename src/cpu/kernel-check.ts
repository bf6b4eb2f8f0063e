/**
 * Compares the matmul kernels of a WASM module with their scalar twins: for the tests, and for
 * scripts/check-kernels.mjs, which runs it on every Node version. Small cases, odd on purpose.
 */
import { randomWeights, randomSource } from '../tensor/codec/random-weights.ts';
import { formatOf, takesInt8 } from '../tensor/formats/weight-formats.ts';
import { bytesOfElements, WEIGHT_TYPES, type WeightType } from '../tensor/tensor-type.ts';
import { matmulScalar } from './matmul-scalar.ts';
import { HEAD_BYTES, matrixSizes, packScratchBytes } from './packed-layout.ts';
import { weightCode } from './weight-code.ts';

/** The exports that this check calls; addresses and byte counts are i32. */
export interface MatmulKernels {
  relaxedIsExact(): number;
  activationBytes(type: number, cols: number): number;
  matmulScratchBytes(type: number, cols: number): number;
  quantizeRow(x: number, out: number, cols: number): void;
  dequantizeRow(type: number, w: number, out: number, cols: number): void;
  matrixRow(type: number, w: number, rowBytes: number, row: number, out: number, cols: number): void;
  packMatrix(type: number, w: number, rowBytes: number, rows: number, scratch: number): void;
  matmul(
    type: number, w: number, rowBytes: number, rowBegin: number, rowEnd: number, cols: number,
    x: number, xStride: number, xRows: number, y: number, yStride: number, scratch: number, scratchBytes: number,
  ): void;
}

export interface KernelInstance {
  readonly kernels: MatmulKernels;
  readonly memory: WebAssembly.Memory;
}

export interface MatmulCase {
  readonly type: WeightType;
  readonly rows: number;
  readonly cols: number;
  readonly xRows: number;
  /** The rows asked for; the others' results must stay untouched. */
  readonly rowBegin: number;
  readonly rowEnd: number;
}

/** The first page belongs to the module. */
const BASE = 65536;
const PAGE = 65536;
const UNTOUCHED = 12345.5;

/** A fresh instance with its own memory of `sizeBytes`. */
export function instantiateKernels(module: WebAssembly.Module, sizeBytes = 4 * 1024 * 1024): KernelInstance {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(sizeBytes / PAGE), maximum: 65536, shared: true });
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return { kernels: instance.exports as unknown as MatmulKernels, memory };
}

/**
 * Types that together go every way through the kernels: of those that differ in scales and sizes of groups alone, as MLX's do, the first
 * with each of them.
 */
export function distinctTypes(types: readonly WeightType[] = WEIGHT_TYPES): readonly WeightType[] {
  const seen = new Set<string>();
  return types.filter((type) => {
    const ways = waysOf(type);
    const isNew = ways.some((way) => !seen.has(way));
    for (const way of ways) seen.add(way);
    return isNew;
  });
}

function waysOf(type: WeightType): readonly string[] {
  const format = formatOf(type);
  if (format.kind === 'float' || format.scale.levels === 2) return [type];
  const { code, codePlanes, groupSize, minimum, scale } = format;
  const planes = codePlanes.map(({ bits, run }) => `${bits} ${run}`).join(', ');
  const meaning = code.kind === 'offset' ? code.zeroPoint : code.kind;
  const arrangement = `${meaning} ${planes} ${minimum?.sign}`;
  if (planes.includes(',') || !planes.endsWith('stream')) return [type];
  return [arrangement, `stream ${groupSize}`, `stream ${scale.format}`];
}

/** Every way through the kernels with the shapes that they have special code for. */
export function matmulCases(types: readonly WeightType[] = distinctTypes()): MatmulCase[] {
  const cases: MatmulCase[] = [];
  for (const type of types) {
    const { kind, blockSize } = formatOf(type);
    const widths = kind === 'block' ? [blockSize, 3 * blockSize] : [1, 7, 8, 64, 261];
    for (const cols of widths) {
      for (const xRows of [1, 2, 7, 8, 14, 27, 33]) {
        cases.push({ type, rows: 13, cols, xRows, rowBegin: 0, rowEnd: 13 });
        cases.push({ type, rows: 37, cols, xRows, rowBegin: 16, rowEnd: 36 });
      }
      for (const rowEnd of [16, 17, 22]) cases.push({ type, rows: 31, cols, xRows: 26, rowBegin: 16, rowEnd });
    }
  }
  return cases;
}

/** Runs one case; y is [xRows, rows] with UNTOUCHED where the kernel wrote nothing. Float weights lie at an odd address. */
export function runMatmul({ kernels, memory }: KernelInstance, problem: MatmulCase, weights: Uint8Array, x: Float32Array): Float32Array {
  const { type, rows, cols, xRows } = problem;
  const code = weightCode(type);
  const rowBytes = bytesOfElements(type, cols);
  let next = BASE;
  const take = (sizeBytes: number, align = 16): number => {
    const at = Math.ceil(next / align) * align;
    next = at + sizeBytes;
    if (next > memory.buffer.byteLength)
      throw new RangeError(`The check needs ${next} bytes of memory, the instance has ${memory.buffer.byteLength}`);
    return at;
  };
  const xAt = take(4 * x.length);
  const xStride = kernels.activationBytes(code, cols);
  const activationsAt = take(xStride * xRows);
  const yAt = take(4 * xRows * rows);
  const scratchBytes = kernels.matmulScratchBytes(code, cols);
  const scratchAt = take(scratchBytes);
  const weightsAt = placeMatrix({ kernels, memory }, problem, weights, take);
  new Float32Array(memory.buffer, xAt, x.length).set(x);
  const y = new Float32Array(memory.buffer, yAt, xRows * rows).fill(UNTOUCHED);
  for (let r = 0; r < xRows; r++) {
    if (takesInt8(type)) kernels.quantizeRow(xAt + 4 * r * cols, activationsAt + r * xStride, cols);
    else new Float32Array(memory.buffer, activationsAt + r * xStride, cols).set(x.subarray(r * cols, (r + 1) * cols));
  }
  const { rowBegin, rowEnd } = problem;
  kernels.matmul(
    code, weightsAt, rowBytes, rowBegin, rowEnd, cols, activationsAt, xStride, xRows, yAt, 4 * rows, scratchAt, scratchBytes,
  );
  return y.slice();
}

type Take = (sizeBytes: number, align?: number) => number;

/** Puts a matrix in memory as kernels read it, and returns where it begins. */
export function placeMatrix(
  { kernels, memory }: KernelInstance, { type, rows, cols }: Pick<MatmulCase, 'type' | 'rows' | 'cols'>, weights: Uint8Array, take: Take,
): number {
  const { isPacked, matrixBytes, rowBytes } = matrixSizes(type, [rows, cols]);
  const bytes = new Uint8Array(memory.buffer);
  if (!isPacked) {
    const at = take(weights.length + 1) + 1;
    bytes.set(weights, at);
    return at;
  }
  const at = take(matrixBytes, 64);
  bytes.fill(0, at, at + matrixBytes);
  bytes.set(weights, at + HEAD_BYTES);
  kernels.packMatrix(weightCode(type), at + HEAD_BYTES, rowBytes, rows, take(packScratchBytes(rowBytes)));
  return at + HEAD_BYTES;
}

/** Random weights and activations of a case; activations have a zero block, a large value and one tie. */
export function randomProblem(problem: MatmulCase, seed: number): { weights: Uint8Array; x: Float32Array } {
  const random = randomSource(seed);
  const weights = randomWeights(problem.type, problem.rows, problem.cols, random);
  const x = Float32Array.from({ length: problem.xRows * problem.cols }, () => random() * 4 - 2);
  if (x.length >= 64) x.fill(0, 32, 64);
  x[0] = -127;
  if (x.length > 1) x[1] = 2.5;
  return { weights, x };
}

/**
 * Compares one result with the twin's; returns what is wrong, or undefined. An error counts relative to the sum of
 * |weight * activation|: 1e-5 of it, plus what f32 cannot hold.
 */
export function compareWithScalar(problem: MatmulCase, weights: Uint8Array, x: Float32Array, got: Float32Array): string | undefined {
  const { type, rows, cols, xRows, rowBegin, rowEnd } = problem;
  const want = matmulScalar({ type, weights, rows, cols, x });
  for (let r = 0; r < xRows; r++) {
    for (let row = 0; row < rows; row++) {
      const i = r * rows + row;
      const inside = row >= rowBegin && row < rowEnd;
      const expected = inside ? want.y[i]! : UNTOUCHED;
      const allowed = inside ? 1e-5 * want.magnitude[i]! + 1e-30 : 0;
      if (!(Math.abs(got[i]! - expected) <= allowed)) {
        return `${describeCase(problem)}: y[${r}][${row}] is ${got[i]}, expected ${expected} +- ${allowed}`;
      }
    }
  }
  return undefined;
}

export function describeCase({ type, rows, cols, xRows, rowBegin, rowEnd }: MatmulCase): string {
  return `${type} [${rows}, ${cols}] rows ${rowBegin}..${rowEnd}, ${xRows} rows of x`;
}

export interface KernelCheckOptions {
  /** Calls of each case before the hot comparison: enough for the engine's optimising compiler to have taken over. */
  readonly hotCalls: number;
}

/**
 * All cases once, before the engine has seen any kernel often enough to optimise it, then all again after `hotCalls` calls
 * each. Returns the differences found. (Instances of one module share its code, so a case late in the first pass may run
 * partly optimised: scripts/check-kernels.mjs also runs with each of V8's compilers alone.)
 */
export function checkKernels(module: WebAssembly.Module, { hotCalls }: KernelCheckOptions): string[] {
  const instance = instantiateKernels(module);
  const differences: string[] = [];
  if (instance.kernels.relaxedIsExact() !== 1) differences.push('cold: relaxedIsExact() is 0');
  for (const state of ['cold', 'hot']) {
    for (const [index, problem] of matmulCases().entries()) {
      const { weights, x } = randomProblem(problem, index + 1);
      const calls = state === 'hot' ? hotCalls : 1;
      let y = runMatmul(instance, problem, weights, x);
      for (let call = 1; call < calls; call++) y = runMatmul(instance, problem, weights, x);
      const difference = compareWithScalar(problem, weights, x, y);
      if (difference) differences.push(`${state}: ${difference}`);
    }
  }
  if (instance.kernels.relaxedIsExact() !== 1) differences.push('hot: relaxedIsExact() is 0');
  return differences;
}
