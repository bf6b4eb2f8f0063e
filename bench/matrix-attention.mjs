// Prefill attention on subgroup matrices (src/gpu/kernels/attention-matrix) against the kernel without them: values first, then times.
//   node bench/matrix-attention.mjs [--seconds 55] [--json FILE] [--rows 31,128] [--before 0,1024] [--software]
// Needs only dist/ and the GPU. A line per check: the largest difference from the other kernel's values, of values up to 1; `WRONG` beyond
// 4e-3. Then microseconds of a layer (median of 5 runs of several layers' dispatches) for each number of rows and of keys before them.
// --candidates: sizes of tiles for Qwen3-4B's heads in turns, named for their subgroups (8s), blocks of rows of each (2r), keys (32k) and
// parts of values (1p); [--only 8s,64k]: those whose names have one of these. A value check of each, then a line each: median and least.
// --software: emulated matrices and small cases on the software adapter, to test the script.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { attentionSizes } from '../dist/gpu/attention-shape.js';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { createPipelines, kernelProblems } from '../dist/gpu/device/pipeline-cache.js';
import { attentionCombineKernel, attentionCombineWorkgroups } from '../dist/gpu/kernels/attention-combine/attention-combine.js';
import { partialBytes } from '../dist/gpu/kernels/attention-decode/key-splits.js';
import { attentionMatrixKernel, attentionMatrixWorkgroups } from '../dist/gpu/kernels/attention-matrix/attention-matrix.js';
import { attentionPrefillKernel, attentionPrefillWorkgroups } from '../dist/gpu/kernels/attention-prefill/attention-prefill.js';
import { attentionPrefillVariant } from '../dist/gpu/kernels/attention-prefill/attention-prefill-variant.js';
import { attentionTiles } from '../dist/gpu/kernels/attention-prefill/attention-tiles.js';
import { MATRIX_CONFIGS, MATRIX_FEATURE } from '../dist/gpu/wgsl/subgroup-matrix.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '55' }, json: { type: 'string' }, rows: { type: 'string' }, before: { type: 'string' },
    software: { type: 'boolean', default: false }, candidates: { type: 'boolean', default: false }, only: { type: 'string' },
  },
});
const numbers = (text, otherwise) => text?.split(',').map(Number) ?? otherwise;
const MODE_ROWS = flags.candidates ? [1024, 512] : [31, 128, 512, 2048];
const MODE_BEFORE = flags.candidates ? [31744, 8192, 0] : [0, 1024, 4096];
const ROWS = numbers(flags.rows, flags.software ? [31] : MODE_ROWS);
const BEFORE = numbers(flags.before, flags.software ? [20] : MODE_BEFORE);
const RUNS = flags.software ? 1 : 5;
/** Rows from which a layer is long enough to be timed by itself. */
const LAYERS = (rows) => (flags.software ? 1 : rows >= 512 ? 4 : 20);
const WRONG = 4e-3;
const begun = performance.now();
const seconds = () => (performance.now() - begun) / 1000;

const found = await findAdapter(flags.software ? 'software' : 'hardware');
if (found.adapter === undefined) throw new Error(found.problem);
const gpu = await openGpuDevice(found.adapter, { timestamps: true, required: flags.software ? [] : [MATRIX_FEATURE] });
const { device } = gpu;
const pipelines = createPipelines(gpu);
const matrix = flags.software ? { ...MATRIX_CONFIGS.nvidia, emulated: true } : MATRIX_CONFIGS.nvidia;
const limits = flags.software
  ? { invocations: 64, bytes: 16384, mostBytes: 32768 }
  : { invocations: 256, bytes: 49152, mostBytes: 49152 };
console.log(`${gpu.name}, ${found.description}`);

const PAGE_TOKENS = 64;
const normed = (headDim) => ({ norm: { eps: 1e-6 }, rotaryDim: headDim });
function shapeOf({ heads, kvHeads, headDim, positions, ...rest }) {
  const prepared = normed(headDim);
  return {
    heads, kvHeads, keyDim: headDim, valueDim: headDim, scale: headDim ** -0.5, kv: 'f16', pageTokens: PAGE_TOKENS,
    maxPages: Math.ceil(positions / PAGE_TOKENS), input: 'joined', q: prepared, k: prepared, output: 'f32', ...rest,
  };
}

let seed = 1;
const random = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 31) - 1;
const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
const made = [];
function buffer(data, size = data.byteLength) {
  const own = gpu.createBuffer({ label: 'bench', size: Math.max(16, size), usage });
  if (data) device.queue.writeBuffer(own, 0, data);
  made.push(own);
  return own;
}
function freeAll() {
  for (const each of made) each.destroy();
  made.length = 0;
}
/** Random halves of up to 1 times a power of two: sign, exponent of one, random fraction. */
function halves(count, exponent) {
  return Uint16Array.from({ length: count + (count & 1) }, () => {
    const bits = Math.floor((random() + 1) * 2 ** 15);
    return (bits & 0x83ff) | ((14 + exponent - (bits >> 10) % 3) << 10);
  });
}

/** Buffers of a step: `rows` rows of one sequence behind `before` others, the rows' keys being in the cache already. */
function buffersOf(shape, { rows, before, queries = 1, keyPower = 0 }) {
  const { heads, kvHeads, keyDim, valueDim, maxPages } = shape;
  const positions = maxPages * PAGE_TOKENS;
  const width = (heads + 2 * kvHeads) * keyDim;
  const pageHalves = 2 * kvHeads * PAGE_TOKENS * keyDim;
  const kv = buffer(undefined, maxPages * pageHalves * 2);
  const [page, values] = [halves(pageHalves / 2, keyPower), halves(pageHalves / 2, 0)];
  for (let n = 0; n < maxPages; n++) {
    // Pages differ by where their values begin.
    for (const [i, all] of [page, values].entries()) {
      const from = (n * 40) % all.length;
      device.queue.writeBuffer(kv, n * pageHalves * 2 + i * pageHalves, all.subarray(from));
      if (from > 0) device.queue.writeBuffer(kv, n * pageHalves * 2 + i * pageHalves + 2 * (all.length - from), all.subarray(0, from));
    }
  }
  const half = keyDim / 2;
  return {
    qkv: buffer(Float32Array.from({ length: rows * width }, () => random() * queries)),
    qGain: buffer(Float32Array.from({ length: keyDim }, () => 1.5 + random())),
    rope: buffer(Float32Array.from({ length: positions * keyDim }, (_, i) => {
      const angle = Math.floor(i / keyDim) * 1e6 ** (-((i >> 1) % half) / half);
      return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
    })),
    pageTable: buffer(Uint32Array.from({ length: maxPages }, (_, i) => maxPages - 1 - i)),
    sinks: buffer(Float32Array.from({ length: heads }, () => random() * 6)), kv,
    y: buffer(undefined, rows * heads * valueDim * 4), yCodes: buffer(undefined, rows * heads * valueDim),
    yStats: buffer(undefined, Math.ceil((rows * 3 * heads * valueDim) / 16) * 4), rows, before,
  };
}

async function bound(kernel, workgroups, buffers) {
  const { pipeline, layout } = await pipelines.get(kernel);
  const entries = kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: buffers[name] } }));
  return { pipeline, group: device.createBindGroup({ layout, entries }), workgroups };
}

const tilesOf = ({ rows, before }, tileRows) => attentionTiles([{ rows, start: before }], tileRows);

async function todays(shape, buffers) {
  const variant = attentionPrefillVariant(shape, limits);
  const words = tilesOf(buffers, variant.tileRows);
  const workgroups = attentionPrefillWorkgroups(variant, { tiles: words.length / 4 });
  return [await bound(attentionPrefillKernel(variant), workgroups, { ...buffers, tiles: buffer(words) })];
}

/** What the device lacks for a tile. */
const problemsOf = (shape, sizes) => kernelProblems(attentionMatrixKernel({ shape, matrix, ...sizes }), gpu);

async function onMatrices(shape, buffers, sizes) {
  const variant = { shape, matrix, ...sizes };
  const words = tilesOf(buffers, variant.tileRows);
  const splits = { count: variant.keySplits ?? 1, granule: 1 };
  const partials = variant.keySplits && buffer(undefined, partialBytes(shape, splits, buffers.rows));
  const all = { ...buffers, partials, tiles: buffer(words) };
  const workgroups = attentionMatrixWorkgroups(variant, { tiles: words.length / 4 });
  const attend = await bound(attentionMatrixKernel(variant), workgroups, all);
  if (!variant.keySplits) return [attend];
  const combine = { shape, splits, invocations: 256, ofTiles: true };
  return [attend, await bound(attentionCombineKernel(combine), attentionCombineWorkgroups(combine, buffers.rows), all)];
}

const querySet = gpu.features.has('timestamp-query') ? device.createQuerySet({ type: 'timestamp', count: 2 }) : undefined;

/** Microseconds of `times` rounds of some dispatches. */
async function timeOnce(dispatches, times) {
  const encoder = device.createCommandEncoder();
  const writes = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  const pass = encoder.beginComputePass(querySet ? { timestampWrites: writes } : {});
  for (let n = 0; n < times; n++)
    for (const { pipeline, group, workgroups } of dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
  pass.end();
  if (!querySet) {
    const from = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - from) * 1000;
  }
  const resolved = device.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
  const readable = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, readable, 0, 16);
  device.queue.submit([encoder.finish()]);
  await readable.mapAsync(GPUMapMode.READ);
  const [from, to] = new BigUint64Array(readable.getMappedRange().slice(0));
  for (const each of [resolved, readable]) each.destroy();
  return Number(to - from) / 1000;
}

async function timed(dispatches, rows) {
  const layers = LAYERS(rows);
  await timeOnce(dispatches, layers);
  const figures = [];
  for (let run = 0; run < RUNS; run++) figures.push((await timeOnce(dispatches, layers)) / layers);
  return summarise(figures).median;
}

async function read(name, buffers) {
  const source = buffers[name];
  const staging = device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const bytes = staging.getMappedRange().slice(0);
  staging.destroy();
  return bytes;
}

/** [rows, heads * valueDim] as the last kernel left it; q8 as floats. */
async function resultOf(shape, buffers) {
  const count = buffers.rows * shape.heads * shape.valueDim;
  if (shape.output === 'f32') return new Float32Array(await read('y', buffers)).subarray(0, count);
  const codes = new Int8Array(await read('yCodes', buffers));
  const stats = new Float32Array(await read('yStats', buffers));
  const blocks = (shape.heads * shape.valueDim) / 16;
  return Float32Array.from({ length: count }, (_, i) => {
    const block = Math.floor(i / 16);
    return codes[i] * stats[Math.floor(block / blocks) * 3 * blocks + (block % blocks)];
  });
}

function record(row) {
  if (flags.json) appendFileSync(flags.json, `${JSON.stringify({ bench: 'matrix-attention', device: gpu.name, ...row })}\n`);
}

function compare(name, got, want) {
  let most = 0;
  let sum = 0;
  const beyond = want.reduce((count, value, i) => count + (Math.abs(got[i] - value) <= WRONG ? 0 : 1), 0);
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(got[i] - want[i]);
    most = difference <= most ? most : difference;
    sum += difference;
  }
  const size = want.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const isWrong = beyond > 0 || !(size > 0.05);
  console.log(`${isWrong ? 'WRONG' : 'right'} ${name}: most ${most.toExponential(2)}, mean ${(sum / want.length).toExponential(2)}, ` +
    `values up to ${size.toPrecision(3)}`);
  record({ check: name, most, isWrong });
}

const PLAIN = { tileHeads: 1, tileRows: 64, tileKeys: 32, valueParts: 1 };
const checks = [
  ['32/8 x 128', { heads: 32, kvHeads: 8, headDim: 128 }, { tileHeads: 4, tileRows: 16 }],
  ['32/8 x 128, q8', { heads: 32, kvHeads: 8, headDim: 128, output: 'q8' }, { tileHeads: 4, tileRows: 16 }],
  ['32/8 x 128, one head a tile', { heads: 32, kvHeads: 8, headDim: 128 }, {}],
  ['32/8 x 128, 64 keys', { heads: 32, kvHeads: 8, headDim: 128 }, { tileHeads: 4, tileRows: 16, tileKeys: 64 }],
  ['32/8 x 128, keys over 8', { heads: 32, kvHeads: 8, headDim: 128 }, { tileHeads: 4, tileRows: 16, keySplits: 8 }],
  ['24/8 x 128, no norm', { heads: 24, kvHeads: 8, headDim: 128, q: { norm: undefined, rotaryDim: 128 } }, { tileHeads: 3, tileRows: 32 }],
  ['32/8 x 64, capped', { heads: 32, kvHeads: 8, headDim: 64, softcap: 20 }, { tileHeads: 4, tileRows: 16 }],
  ['16/8 x 80, sinks', { heads: 16, kvHeads: 8, headDim: 80, sinks: true }, { tileHeads: 2, tileRows: 32 }],
  ['16/8 x 112, a window of 100', { heads: 16, kvHeads: 8, headDim: 112, window: 100 }, { tileHeads: 2, tileRows: 32 }],
  ['16/8 x 256, two parts', { heads: 16, kvHeads: 8, headDim: 256 }, { tileHeads: 2, tileRows: 32, valueParts: 2 }],
  ['8/8 x 192, both directions', { heads: 8, kvHeads: 8, headDim: 192, causal: false }, { valueParts: 2 }],
  ['32/8 x 128, queries of 1e5', {
    heads: 32, kvHeads: 8, headDim: 128, q: { norm: undefined, rotaryDim: 128 }, queries: 1e5, keyPower: -12, scale: 0.02,
  }, { tileHeads: 4, tileRows: 16 }],
];
const smallChecks = [['4/2 x 32', { heads: 4, kvHeads: 2, headDim: 32 }, { tileHeads: 2, tileRows: 16 }],
  ['4/2 x 32, q8, keys over 3', { heads: 4, kvHeads: 2, headDim: 32, output: 'q8' }, { tileHeads: 1, tileRows: 16, keySplits: 3 }]];

/** What the kernel without matrix units makes of them. */
async function wantedOf(shape, buffers) {
  await timeOnce(await todays(shape, buffers), 1);
  return (await resultOf(shape, buffers)).slice();
}

/** Multiply-adds of a layer. */
const productsOf = (rows, before, { heads, headDim }) => rows * (before + (rows + 1) / 2) * heads * headDim * 2;

async function checkAll() {
  for (const [name, { queries, keyPower, ...of }, sizes] of flags.software ? smallChecks : checks) {
    const [rows, before] = flags.software ? [21, 30] : [300, 300];
    const shape = shapeOf({ ...of, positions: rows + before });
    const buffers = buffersOf(shape, { rows, before, queries, keyPower });
    const want = await wantedOf(shape, buffers);
    device.queue.writeBuffer(buffers.y, 0, new Uint8Array(buffers.y.size));
    if (problemsOf(shape, { ...PLAIN, ...sizes }).length > 0) {
      console.log(`${name}: does not fit the device`);
      freeAll();
      continue;
    }
    await timeOnce(await onMatrices(shape, buffers, { ...PLAIN, ...sizes }), 1);
    compare(name, await resultOf(shape, buffers), want);
    freeAll();
  }
  console.log(`${seconds().toFixed(1)} s`);
}

/** Sizes to try for a shape, by what they are called. */
function candidates({ group }, rows) {
  const heads = group;
  const each = [
    ['64 of one head', { tileHeads: 1, tileRows: 64 }],
    [`${heads}x16`, { tileHeads: heads, tileRows: 16 }],
    [`${heads}x32`, { tileHeads: heads, tileRows: 32 }],
    [`${heads}x32, 64 keys`, { tileHeads: heads, tileRows: 32, tileKeys: 64 }],
  ];
  const split = (count) => [`${heads}x16 over ${count}`, { tileHeads: heads, tileRows: 16, keySplits: count }];
  return rows > 128 ? each : [...each.slice(1, 3), split(4), split(8), split(16)];
}

async function timeAll() {
  const models = flags.software
    ? { tiny: { heads: 4, kvHeads: 2, headDim: 32 } }
    : { '32/8 x 128': { heads: 32, kvHeads: 8, headDim: 128 }, '16/8 x 128': { heads: 16, kvHeads: 8, headDim: 128 } };
  for (const [model, of] of Object.entries(models)) {
    const shape = shapeOf({ ...of, positions: Math.max(...ROWS) + Math.max(...BEFORE) });
    const filled = buffersOf(shape, { rows: Math.max(...ROWS), before: 0 });
    for (const rows of ROWS)
      for (const before of BEFORE) {
        if (seconds() > Number(flags.seconds)) {
          console.log(`stopped after ${flags.seconds} s before ${model}, ${rows} rows, ${before} keys before`);
          process.exit(0);
        }
        const buffers = { ...filled, rows, before };
        const own = await timed(await todays(shape, buffers), rows);
        const want = (await resultOf(shape, buffers)).slice();
        const products = productsOf(rows, before, of);
        const times = [];
        for (const [name, sizes] of candidates(attentionSizes(shape), rows)) {
          if (problemsOf(shape, { ...PLAIN, ...sizes }).length > 0) continue;
          const us = await timed(await onMatrices(shape, buffers, { ...PLAIN, ...sizes }), rows);
          const got = await resultOf(shape, buffers);
          const isWrong = want.some((value, i) => !(Math.abs(got[i] - value) <= WRONG));
          times.push(`${name} ${us.toFixed(1)} (${(products / us / 1e6).toFixed(0)})${isWrong ? ' WRONG' : ''}`);
          record({ model, rows, before, variant: name, us, isWrong });
        }
        record({ model, rows, before, variant: 'without matrices', us: own });
        console.log(
          `${model}, ${rows} rows, ${before} before: without ${own.toFixed(1)} us (${(products / own / 1e6).toFixed(0)} TMAC/s); ` +
          times.join('; '));
      }
    freeAll();
  }
}

/** Tiles for heads in groups of 4 that the device may take, by name. */
function* tilesToTry() {
  const [subgroups, keys] = flags.software ? [[2, 4], [16, 32]] : [[2, 4, 8, 16], [16, 32, 64]];
  for (const valueParts of [1, 2])
    for (const rowBlocks of [1, 2])
      for (const count of subgroups)
        for (const tileKeys of keys) {
          const blocks = (count * rowBlocks) / valueParts;
          const tileHeads = Math.min(flags.software ? 2 : 4, blocks);
          const sizes = { tileHeads, tileRows: (16 * blocks) / tileHeads, tileKeys, valueParts, rowBlocks };
          yield [`${count}s ${rowBlocks}r ${tileKeys}k ${valueParts}p`, sizes];
        }
}

/** Those that fit, whose pipelines are tried and whose values are near the other kernel's. */
async function checkedCandidates(shape, filled) {
  const only = flags.only?.split(',') ?? [''];
  const wanted = [...tilesToTry()].filter(([name]) => only.some((part) => name.includes(part)));
  const [rows, before] = flags.software ? [21, 30] : [300, 300];
  const buffers = { ...filled, rows, before };
  const want = await wantedOf(shape, buffers);
  const chosen = [];
  // All compile at once.
  const tried = await Promise.allSettled(wanted.map(async ([, sizes]) => {
    const problems = problemsOf(shape, sizes);
    if (problems.length > 0) throw new Error(problems.join('; '));
    return await onMatrices(shape, buffers, sizes);
  }));
  for (const [i, { value, reason }] of tried.entries()) {
    const [name, sizes] = wanted[i];
    try {
      if (reason) throw reason;
      device.queue.writeBuffer(buffers.y, 0, new Uint8Array(buffers.y.size));
      await timeOnce(value, 1);
      compare(name, await resultOf(shape, buffers), want);
      chosen.push([name, sizes]);
    } catch (error) {
      console.log(`${name}: ${error.message}`);
    }
  }
  console.log(`${seconds().toFixed(1)} s`);
  return chosen;
}

/** Microseconds of a layer, by candidate, each in its turn a few times. */
async function timeInTurns(shape, buffers, chosen, layers) {
  const figures = new Map();
  const bounds = new Map();
  for (const [name, sizes] of chosen) bounds.set(name, await onMatrices(shape, buffers, sizes));
  for (let round = 0; round < (flags.software ? 1 : 6) && (round < 3 || seconds() < Number(flags.seconds)); round++)
    for (const [name, dispatches] of bounds)
      try {
        const us = (await timeOnce(dispatches, layers)) / layers;
        // The first round only warms up.
        if (round > 0 || flags.software) figures.set(name, [...(figures.get(name) ?? []), us]);
      } catch (error) {
        console.log(`${name}: ${error.message}`);
      }
  return figures;
}

async function compareCandidates() {
  const of = flags.software ? { heads: 4, kvHeads: 2, headDim: 32 } : { heads: 32, kvHeads: 8, headDim: 128 };
  const shape = shapeOf({ ...of, positions: Math.max(...ROWS) + Math.max(...BEFORE) });
  const filled = buffersOf(shape, { rows: Math.max(300, ...ROWS), before: 0 });
  const chosen = await checkedCandidates(shape, filled);
  const warm = await onMatrices(shape, { ...filled, rows: ROWS[0], before: BEFORE[0] }, chosen[0][1]);
  for (const from = seconds(); !flags.software && seconds() < from + 1;) await timeOnce(warm, 4);
  for (const before of BEFORE)
    for (const rows of ROWS) {
      if (seconds() > Number(flags.seconds)) return console.log(`stopped before ${rows} rows, ${before} keys before`);
      const products = productsOf(rows, before, of);
      const layers = flags.software ? 1 : Math.min(20, Math.max(2, Math.ceil(4e11 / products)));
      const figures = await timeInTurns(shape, { ...filled, rows, before }, chosen, layers);
      for (const [name, all] of [...figures].sort(([, a], [, b]) => summarise(a).median - summarise(b).median)) {
        const { median } = summarise(all);
        const least = Math.min(...all);
        console.log(`${rows} rows, ${before} before, ${name}: ${median.toFixed(1)} us (least ${least.toFixed(1)}), ` +
          `${(products / median / 1e6).toFixed(1)} TMAC/s`);
        record({ rows, before, variant: name, us: median, least });
      }
    }
}

device.lost.then(({ reason, message }) => reason !== 'destroyed' && console.log(`device lost: ${message}`));
if (flags.candidates) await compareCandidates();
else {
  await checkAll();
  await timeAll();
}
console.log(`${seconds().toFixed(1)} s`);
gpu.destroy();
