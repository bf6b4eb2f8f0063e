/**
 * Speed of the WASM matmul kernels on one thread: GB/s of weights in decode, GMAC/s in prefill. Not a test.
 * Usage: node bench/cpu-kernels.mjs [--module cpu|cpu-relaxed] [--types q4_0,q4_k] [--cols 1024] [--weights-mb 96] [--x-rows 128] [--json]
 * Needs dist (node scripts/build.mjs). Without --types it takes each way through the kernels once.
 * Rows are timed in slices of a few milliseconds and the fastest twentieth
 * counts, so that what other processes take from a shared machine stays out of the figure.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { distinctTypes } from '../dist/cpu/kernel-check.js';
import { matrixSizes } from '../dist/cpu/packed-layout.js';
import { weightCode } from '../dist/cpu/weight-code.js';
import { clearNaNs } from '../dist/tensor/codec/random-weights.js';
import { scalePlaces } from '../dist/tensor/formats/scale-places.js';
import { putScale } from '../dist/tensor/formats/scale-values.js';
import { formatOf, takesInt8 } from '../dist/tensor/formats/weight-formats.js';

const RUNS = 9;
const SLICE_MS = 2;
const WARMUP_MS = 700;

const { values: options } = parseArgs({
  options: {
    module: { type: 'string', default: 'cpu,cpu-relaxed' },
    types: { type: 'string', default: distinctTypes().join(',') },
    cols: { type: 'string', default: '1024' },
    'weights-mb': { type: 'string', default: '96' },
    'x-rows': { type: 'string', default: '1,128' },
    json: { type: 'boolean', default: false },
  },
});

for (const file of options.module.split(',')) {
  const bytes = readFileSync(new URL(`../dist/wasm/${file}.wasm`, import.meta.url));
  if (!WebAssembly.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  const module = new WebAssembly.Module(bytes);
  for (const type of options.types.split(',')) {
    for (const cols of options.cols.split(',').map(Number)) {
      for (const xRows of options['x-rows'].split(',').map(Number)) report(measure(module, file, type, cols, xRows));
    }
  }
}

function report(row) {
  if (options.json) return console.log(JSON.stringify(row));
  const speed = row.xRows === 1 ? `${row.gbPerSecond.toFixed(2)} GB/s` : `${row.gmacPerSecond.toFixed(1)} GMAC/s`;
  console.log(`${row.node} ${row.module.padEnd(11)} ${row.type.padEnd(16)} cols ${row.cols} x rows ${row.xRows}: ${speed}`);
}

function measure(module, file, type, cols, xRows) {
  const { blockSize: block, blockBytes: bytes } = formatOf(type);
  const code = weightCode(type);
  const rowBytes = (cols / block) * bytes;
  const wantedBytes =
    xRows === 1 ? Number(options['weights-mb']) * 1e6 : Math.min(Number(options['weights-mb']) * 1e6, (3e9 / xRows / cols) * rowBytes);
  const rows = Math.max(16, Math.floor(wantedBytes / rowBytes / 16) * 16);
  const total = 65600 + rows * rowBytes + xRows * (cols * 6 + rows * 4 + 4096) + 16 * 1024 * 1024;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(total / 65536), maximum: 65536, shared: true });
  const { exports: kernels } = new WebAssembly.Instance(module, { env: { memory } });
  // Packed matrices have a head of 64 bytes.
  const weightsAt = 65536 + 64;
  fillWeights(new Uint8Array(memory.buffer, weightsAt, rows * rowBytes), type, rowBytes);
  const align = (at) => Math.ceil(at / 64) * 64;
  const xAt = align(weightsAt + rows * rowBytes);
  const xStride = kernels.activationBytes(code, cols);
  const activationsAt = align(xAt + 4 * cols);
  const yAt = align(activationsAt + xStride * xRows);
  const scratchAt = align(yAt + 4 * rows * xRows);
  const scratchBytes = kernels.matmulScratchBytes(code, cols);
  if (matrixSizes(type, [rows, cols]).isPacked) kernels.packMatrix(code, weightsAt, rowBytes, rows, scratchAt);
  const x = new Float32Array(memory.buffer, xAt, cols).map((_, i) => Math.sin(i) * 2);
  new Float32Array(memory.buffer, xAt, cols).set(x);
  for (let r = 0; r < xRows; r++) {
    if (takesInt8(type)) kernels.quantizeRow(xAt, activationsAt + r * xStride, cols);
    else new Float32Array(memory.buffer, activationsAt + r * xStride, cols).set(x);
  }
  const run = (begin, end) =>
    kernels.matmul(code, weightsAt, rowBytes, begin, end, cols, activationsAt, xStride, xRows, yAt, 4 * rows, scratchAt, scratchBytes);
  // Until the optimising compiler, which runs beside us, has surely taken over.
  for (const start = performance.now(); performance.now() - start < WARMUP_MS; ) run(0, Math.min(rows, 8));
  const msPerRow = fastSlices(rows, run);
  return {
    node: process.version, module: file, type, rows, cols, xRows,
    gbPerSecond: rowBytes / msPerRow / 1e6, gmacPerSecond: (cols * xRows) / msPerRow / 1e6,
  };
}

/** Milliseconds a row takes: the fifth percentile over slices of all rows. */
function fastSlices(rows, run) {
  const sliceRows = sliceOf(rows, run);
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    for (let row = 0; row + sliceRows <= rows; row += sliceRows) {
      const start = performance.now();
      run(row, row + sliceRows);
      times.push((performance.now() - start) / sliceRows);
    }
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 20)];
}

/** Rows that take about SLICE_MS, a multiple of 16. */
function sliceOf(rows, run) {
  let count = 16;
  while (count * 2 <= rows) {
    const start = performance.now();
    run(0, count);
    if (performance.now() - start >= SLICE_MS / 2) break;
    count *= 2;
  }
  return Math.min(count, rows);
}

/** Random bytes, with float values and scales of ordinary size. A prime pool keeps rows different. */
function fillWeights(target, type, rowBytes) {
  const pool = new Uint8Array(Math.max(1000003, rowBytes) | 1);
  let state = 12345;
  for (let i = 0; i < pool.length; i++) {
    state = (state * 1103515245 + 12345) >>> 0;
    pool[i] = state >>> 16;
  }
  if (type === 'f32' || type === 'bf16' || type === 'f16') {
    // A normal-looking f16 or the upper bytes of an f32: exponents around 2^-6.
    const width = type === 'f32' ? 4 : 2;
    for (let i = 0; i + width <= pool.length; i += width) {
      const top = i + width - 1;
      pool[top] = (pool[top] & 0x80) | (type === 'f16' ? 0x24 : 0x3c);
    }
    const usable = pool.length - (pool.length % width);
    for (let at = 0; at < target.length; at += usable) target.set(pool.subarray(0, Math.min(usable, target.length - at)), at);
    return;
  }
  for (let at = 0; at < target.length; at += pool.length) target.set(pool.subarray(0, Math.min(pool.length, target.length - at)), at);
  const format = formatOf(type);
  clearNaNs(format, target);
  const places = scalePlaces(format);
  for (let at = 0; at < target.length; at += format.blockBytes) {
    // An e4m3 of 0.001 would be subnormal.
    const ordinary = (scale) => (scale === 'ue4m3Half' ? 1 : 0.001);
    for (const { format: scale, offset } of places) putScale(scale, target, at + offset, ordinary(scale) * (1 + (at % 251) / 251));
  }
}
