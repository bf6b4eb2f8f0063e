// Products on matrix units (src/gpu/kernels/matrix-gemm) on a GPU that has them: values of every form of weights and tiling against float64
// from the file's own bytes, then times beside today's tiles and GEMVs. Needs only dist/ and the GPU.
//   node bench/gpu-matrix-gemm.mjs [--only values,forms,times,tilings,parts] [--products qkv,o,gate+up,down]
//     [--models qwen3-4b,qwen3-0.6b,llama-3.2-3b] [--types q4_0] [--rows 16,31,64,128,512,2048] [--seconds 80] [--json FILE] [--null]
// A tiling is ROWSxCOLSxDEPTH, subgroups down, across and deep, and parts of the depth; then `halves` where a dispatch before makes halves
// of x, which is timed too (but not `given`), and `by2`, two steps fetched together.
// `forms`: values of every form of weights. `gemv4 16 64 4 1`: a GEMV of 4 columns, with rows a workgroup, lanes on a row, rows that lanes
// share, groups of a lane at a time, and `ahead` where the next groups are read before they are needed.
// --null: the null backend, which compiles and computes nothing: a rehearsal. Weights of a timed product take turns, so that they come from
// memory and not from a cache.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { areMatrixUnitsRight } from '../dist/gpu/device/probe-matrix-units.js';
import { createPipelines, kernelProblems } from '../dist/gpu/device/pipeline-cache.js';
import { gemvInt8Kernel, gemvInt8Workgroups } from '../dist/gpu/kernels/gemv-int8/gemv-int8.js';
import { combineOf, matrixCombineKernel, matrixCombineWorkgroups, partialBytes, unfinishedShape } from
  '../dist/gpu/kernels/matrix-gemm/matrix-combine.js';
import { isInParts } from '../dist/gpu/kernels/matrix-gemm/matrix-geometry.js';
import { matrixGemmKernel, matrixGemmWorkgroups } from '../dist/gpu/kernels/matrix-gemm/matrix-gemm.js';
import { matrixRowsKernel, matrixRowsWorkgroups } from '../dist/gpu/kernels/matrix-gemm/matrix-rows.js';
import { halvesBytes } from '../dist/gpu/kernels/matrix-gemm/ready-halves.js';
import { outputWidth, totalRows } from '../dist/gpu/linear-shape.js';
import { gemvProduct, productKernels } from '../dist/gpu/ops/linear-kernels.js';
import { layOutMatrix, packedFormatOf } from '../dist/gpu/packed-layout.js';
import { PROFILES } from '../dist/gpu/profile/profiles.js';
import { q8CodeBytes, q8StatBytes } from '../dist/gpu/q8-layout.js';
import { loadWeights } from '../dist/gpu/weights/load-weights.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { decodeRows } from '../dist/tensor/codec/decode-rows.js';
import { randomSource, randomWeights } from '../dist/tensor/codec/random-weights.js';
import { takesInt8, WEIGHT_TYPES } from '../dist/tensor/formats/weight-formats.js';
import { bytesOfElements } from '../dist/tensor/tensor-type.js';
import { createFiller, fillOf, MODELS, productsOf } from './gpu-chain.mjs';
import { summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', default: 'values,times,tilings' }, models: { type: 'string', default: 'qwen3-4b,qwen3-0.6b' },
    types: { type: 'string', default: 'q4_0' }, products: { type: 'string', default: 'qkv,o,gate+up,down,head' },
    rows: { type: 'string', default: '16,31,64,128,512,2048' },
    seconds: { type: 'string', default: '80' }, json: { type: 'string' }, null: { type: 'boolean', default: false },
  },
});
const started = performance.now();
const secondsLeft = () => Number(flags.seconds) - (performance.now() - started) / 1000;

async function findNull() {
  Object.assign(globalThis, globals);
  globalThis.ingotNull = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  return { adapter: await globalThis.ingotNull.requestAdapter() };
}

const found = flags.null ? await findNull() : await findAdapter('hardware');
if (found.problem) throw new Error(found.problem);
const gpu = await openGpuDevice(found.adapter);
const { device, queue } = gpu;
const pipelines = createPipelines(gpu);
const profile = PROFILES.nvidia;
const config = profile.subgroupMatrix;
const today = { ...profile, subgroupMatrix: undefined };
console.log(`${gpu.name}; ${found.facts?.description ?? ''}; configs ${JSON.stringify(gpu.info.matrixConfigs)}`);
console.log(`matrix units are right: ${await areMatrixUnitsRight(gpu, config)}`);

function record(entry) {
  if (flags.json) appendFileSync(flags.json, `${JSON.stringify({ bench: 'gpu-matrix-gemm', device: gpu.name, ...entry })}\n`);
}

/** The null device has WebGPU's least limits, and subgroups of 128. */
const fits = (kernel) => flags.null
  ? kernelProblems({ ...kernel, needs: {} }, gpu).length === 0 && (!kernel.needs.subgroupMatrix || kernel.workgroupSize % 128 === 0)
  : kernelProblems(kernel, gpu).length === 0;
const compile = (kernel) => pipelines.get(flags.null ? { ...kernel, needs: {} } : kernel);

function upload(data, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST) {
  const buffer = gpu.createBuffer({ label: 'data', size: data.byteLength, usage });
  queue.writeBuffer(buffer, 0, data);
  return buffer;
}

function bindGroup(kernel, layout, bound) {
  const entries = kernel.bindings.map(({ name }, binding) => ({ binding, resource: name === 'sizes' ? sizesOf(kernel) : bound[name] }));
  return device.createBindGroup({ layout, entries });
}

const sizesOf = ({ sizes }) => ({ buffer: upload(Uint32Array.from(sizes), GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST) });

async function read(buffer, bytes) {
  const staging = gpu.createBuffer({ label: 'read', size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
  queue.submit([encoder.finish()]);
  await gpu.pending(staging.mapAsync(GPUMapMode.READ));
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}

/** Kernels of a product by a tiling, in order. */
function kernelsOf(shape, tiling) {
  const { areHalvesReady } = tiling;
  const variant = { shape: isInParts(tiling) ? unfinishedShape(shape) : shape, config, ...tiling };
  const product = { kernel: matrixGemmKernel(variant), workgroups: (rows) => matrixGemmWorkgroups(variant, rows) };
  const ready = areHalvesReady ? [{ kernel: matrixRowsKernel(variant), workgroups: matrixRowsWorkgroups }] : [];
  if (!isInParts(tiling)) return [...ready, product];
  const combine = combineOf(shape, tiling);
  return [
    ...ready,
    { ...product, partialBytes: (rows) => partialBytes(combine, rows) },
    { kernel: matrixCombineKernel(combine), workgroups: (rows) => matrixCombineWorkgroups(combine, rows) },
  ];
}

const tilingOf = (text) => {
  const [, ...sizes] = /^(\d+)x(\d+)x(\d+) (\d)(\d)(\d) \/(\d+)/.exec(text);
  const [tileRows, tileCols, tileDepth, down, across, deep, splits] = sizes.map(Number);
  const words = text.split(' ');
  const areHalvesReady = words.includes('halves');
  const burst = Number(words.find((word) => /^by\d$/.test(word))?.at(-1) ?? 1);
  return { tileRows, tileCols, tileDepth, subgroups: [down, across, deep], splits, areHalvesReady, burst };
};

// Values.

const VALUE_TILINGS = [
  '128x128x64 241 /1 by2', '128x128x64 241 /2', '16x64x64 122 /1', '64x160x64 152 /4', '256x128x128 421 /2 halves', '128x160x64 251 /1 by2',
  '256x64x64 411 /1 halves', '256x64x64 411 /3 halves', '16x64x64 122 /2 by2', '32x64x64 122 /2 by2',
  '128x192x64 261 /2 by2', 'gemv8 16 16 4 1', 'gemv8 16 8 2 1 ahead', 'gemv8 16 128 4 1 ahead', 'gemv2 16 64 4 2',
];

/** Random x and what it stands for, [rows, cols]; rows of every magnitude. */
function inputsOf(input, rows, cols, random) {
  const magnitude = (row) => [1, 1e5, 1e-4, 30][row % 4];
  if (input === 'f32') {
    const x = Float32Array.from({ length: rows * cols }, (_, i) => (random() * 2 - 1) * magnitude(Math.floor(i / cols)));
    return { values: x, buffers: { x: { buffer: upload(x) } } };
  }
  const codes = Int8Array.from({ length: rows * cols }, () => Math.round(random() * 254 - 127));
  const blocks = cols / 16;
  const stats = new Float32Array(rows * 3 * blocks);
  const values = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) {
      const scale = Math.fround((random() * magnitude(row)) / 127);
      stats[row * 3 * blocks + b] = scale;
      stats[row * 3 * blocks + 2 * blocks + b] = 4 / blocks;
      // Shares add up to 4: the norm's factor is a half.
      for (let i = 0; i < 16; i++) values[row * cols + 16 * b + i] = codes[row * cols + 16 * b + i] * scale * (input === 'q8n' ? 0.5 : 1);
    }
  return { values, buffers: { xCodes: { buffer: upload(codes) }, xStats: { buffer: upload(stats) } } };
}

function weightsOf(source) {
  const { type, shape: [rows, cols] } = source;
  if (!flags.null) {
    const matrices = [{ key: 'w', type, rows, cols, arrangement: 'rows', sources: [source] }];
    return loadWeights({ gpu, pipelines, matrices, vectors: [] });
  }
  const { planes, sizeBytes } = layOutMatrix(packedFormatOf(type), rows, cols);
  return { matrices: new Map([['w', { buffer: upload(new Uint8Array(sizeBytes)), planes }]]), destroy() {} };
}

/** Largest error of a result, of what the sums of |w x| make of it. */
async function checkValues(type, tiling) {
  const random = randomSource(7);
  const [rows, out, cols] = [70, 136, 1536];
  const input = takesInt8(type) ? 'q8n' : 'f32';
  const shape = {
    cols, parts: [{ type, rows: out }], input, norm: undefined, bias: false, gated: false, residual: true,
    outputs: { f32: true, q8: undefined },
  };
  const kernels = candidateOf(shape, tiling);
  if (!kernels.every(({ kernel }) => fits(kernel))) return;
  const bytes = randomWeights(type, out, cols, random);
  const source = {
    id: 'w', type, shape: [out, cols], sizeBytes: bytesOfElements(type, out * cols), origin: 'random',
    read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.byteLength)),
  };
  const weights = await weightsOf(source);
  const { buffer: matrix, planes } = weights.matrices.get('w');
  const { values: x, buffers } = inputsOf(input, rows, cols, random);
  const residual = Float32Array.from({ length: rows * out }, () => random());
  const bound = {
    ...buffers, residual: { buffer: upload(residual) }, y: { buffer: upload(new Float32Array((rows + 1) * out).fill(7)) },
    step: { buffer: upload(Uint32Array.of(rows, 0, 0, 0), GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST) },
    ...Object.fromEntries(planes.map(({ name, offset, sizeBytes: size }) => [`p0_${name}`, { buffer: matrix, offset, size }])),
  };
  const partial = kernels.find(({ partialBytes: bytesOf }) => bytesOf);
  if (partial) bound.partials = { buffer: upload(new Float32Array(partial.partialBytes(rows) / 4).fill(NaN)) };
  bound.xHalves = { buffer: upload(new Uint32Array(halvesBytes(cols, rows) / 4).fill(0xffffffff)) };
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const { kernel, workgroups, partialBytes: isPartial } of kernels) {
    const { pipeline, layout } = await compile(kernel);
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup(kernel, layout, isPartial ? { ...bound, y: bound.partials } : bound));
    pass.dispatchWorkgroups(...workgroups(rows));
  }
  pass.end();
  queue.submit([encoder.finish()]);
  const y = await read(bound.y.buffer, (rows + 1) * out * 4);
  const w = new Float32Array(out * cols);
  decodeRows(type, bytes, w);
  let worst = 0;
  for (let r = 0; r < rows; r++)
    for (let o = 0; o < out; o++) {
      let [sum, size] = [0, 0];
      for (let c = 0; c < cols; c++) {
        const term = w[o * cols + c] * x[r * cols + c];
        sum += term;
        size += Math.abs(term);
      }
      const error = Math.abs(y[r * out + o] - sum - residual[r * out + o]) / (size + 1e-30);
      worst = Number.isNaN(error) ? Infinity : Math.max(worst, error - 1e-6 * Math.abs(sum + residual[r * out + o]) / (size + 1e-30));
    }
  const isUntouched = y.subarray(rows * out).every((value) => value === 7);
  const isRight = worst < 1e-3 && isUntouched;
  console.log(`${isRight ? 'right' : 'WRONG'} ${type} ${tiling}: at most ${worst.toExponential(1)}`);
  record({ check: 'values', type, tiling, worst, isRight });
  weights.destroy();
}

// Times.

const REPEAT_MS = 6;
const RUNS = 5;
const WARM_MS = 900;
const CACHE_BYTES = 150e6;

/** A number of the table's kernels, a function of this file's. */
const bytesOfPartials = ({ partialBytes: bytes = 0 }, rows) => (typeof bytes === 'function' ? bytes(rows) : bytes);

/** Buffers of a product, with so many copies of its weights that they come from memory. */
async function boundProduct(filler, shape, rows, kernels) {
  const width = outputWidth(shape);
  const copies = [];
  const bytes = shape.parts.reduce((sum, { type, rows: all }) => sum + layOutMatrix(packedFormatOf(type), all, shape.cols).sizeBytes, 0);
  for (let copy = 0; copy < Math.min(16, Math.ceil(CACHE_BYTES / bytes)); copy++) {
    const bound = {};
    shape.parts.forEach(({ type, rows: weightRows }, n) => {
      const { planes, sizeBytes } = layOutMatrix(packedFormatOf(type), weightRows, shape.cols);
      const ranges = planes.map((plane) => ({ ...plane, fill: fillOf(packedFormatOf(type), plane) }));
      const buffer = filler.filled(`part ${n}`, sizeBytes, ranges);
      for (const { name, offset, sizeBytes: size } of planes) bound[`p${n}_${name}`] = { buffer, offset, size };
    });
    copies.push(bound);
  }
  const sizes = {
    x: ['floats', rows * shape.cols * 4], xCodes: ['codes', q8CodeBytes(rows, shape.cols)],
    xStats: ['floats', q8StatBytes(rows, shape.cols)],
    xHalves: ['floats', halvesBytes(shape.cols, rows)], y: ['floats', rows * width * 4],
    residual: ['floats', rows * width * 4], yGain: ['floats', width * 4], gain: ['floats', shape.cols * 4],
    yCodes: ['codes', q8CodeBytes(rows, width)], yStats: ['floats', q8StatBytes(rows, width)],
    partials: ['floats', Math.max(16, ...kernels.map((kernel) => bytesOfPartials(kernel, rows)))],
  };
  const shared = {};
  for (const [name, [fill, size]] of Object.entries(sizes)) {
    const sizeBytes = Math.ceil(size / 16) * 16;
    shared[name] = { buffer: filler.filled(name, sizeBytes, [{ offset: 0, sizeBytes, fill }]) };
  }
  shared.step = { buffer: filler.create('step', 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST) };
  queue.writeBuffer(shared.step.buffer, 0, Uint32Array.of(rows, rows, 0, 0));
  return copies.map((bound) => ({ ...bound, ...shared }));
}

/** What runs a product by some kernels one after the other: `once(times)` gives microseconds of one. */
async function runnerOf(kernels, copies, rows) {
  const active = kernels.filter(({ workgroups }) => workgroups(rows)[0] > 0);
  const compiled = await Promise.all(active.map(({ kernel }) => compile(kernel)));
  const dispatches = copies.map((bound) => active.map(({ kernel, workgroups, partialBytes: partial }, i) => ({
    pipeline: compiled[i].pipeline, workgroups: workgroups(rows),
    group: bindGroup(kernel, compiled[i].layout, partial ? { ...bound, y: bound.partials } : bound),
  })));
  return async (times) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < times; i++)
      for (const { pipeline, workgroups, group } of dispatches[i % dispatches.length]) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
      }
    pass.end();
    const commands = encoder.finish();
    const begin = performance.now();
    queue.submit([commands]);
    await gpu.pending(queue.onSubmittedWorkDone());
    return ((performance.now() - begin) / times) * 1000;
  };
}

const compileAll = (kernels, rows) =>
  Promise.all(kernels.filter(({ kernel, workgroups }) => workgroups(rows)[0] > 0 && fits(kernel)).map(({ kernel }) => compile(kernel)));

/** Clocks fall while the host compiles, and take some tenths of a second to rise: the device works until it is as fast as it was. */
async function warmUp(once) {
  const end = performance.now() + WARM_MS;
  while (!flags.null && performance.now() < end) await once(50);
}

/** Candidates take turns, so that what changes meanwhile changes all of them. */
async function measureAll({ model, type, product, shape, rows }, candidates, copies) {
  const runners = [];
  for (const { what, kernels } of candidates) runners.push({ what, once: await runnerOf(kernels, copies, rows), runs: [] });
  if (runners.length === 0) return [];
  await warmUp(runners[0].once);
  for (const runner of runners) {
    await runner.once(8);
    runner.times = Math.max(2, Math.min(400, Math.ceil((REPEAT_MS * 1000) / (await runner.once(8)))));
  }
  for (let i = 0; i < RUNS; i++) for (const { once, times, runs } of runners) runs.push(await once(times));
  return runners.map(({ what, runs }) => {
    const { median, min, max } = summarise(runs);
    const teraPerSecond = (totalRows(shape) * shape.cols * rows) / median / 1e6;
    record({ model, type, product, rows, what, us: { median, min, max }, teraMultiplyAdds: teraPerSecond });
    return `${what} ${median.toFixed(1)} us (${teraPerSecond.toFixed(0)})`;
  });
}

/**
 * Tilings and GEMVs to choose from, by model, product and rows, in the order in which they matter: time may end. The first is what the
 * table has.
 */
const CANDIDATES = {
  'qwen3-4b': [
    ['gate+up', 16, ['16x64x64 122 /1', 'gemv8 32 16 4 1']],
    ['down', 16, ['16x64x64 122 /13 by2', 'gemv8 16 64 4 1']],
    ['qkv', 16, ['gemv8 16 16 4 1 ahead', '16x64x64 122 /5 by2', 'gemv8 16 32 4 1 ahead']],
    ['o', 16, ['gemv8 16 64 4 1', '16x64x64 122 /11 by2']],
    ['gate+up', 8, ['gemv8 32 8 4 1 ahead', 'gemv8 32 32 4 1', 'gemv8 32 16 4 1', '16x64x64 122 /1']],
    ['down', 8, ['gemv8 16 64 4 1', 'gemv8 16 64 4 1 ahead', '16x64x64 122 /13 by2']],
    ['head', 8, ['gemv8 32 16 4 1 ahead', '16x64x64 122 /1']],
    ['gate+up', 4, ['gemv4 32 16 4 1 ahead', 'gemv4 32 32 4 3']],
    ['down', 4, ['gemv4 16 64 4 1 ahead', 'gemv4 16 64 4 1']],
    ['gate+up', 2, ['gemv2 32 16 4 5', 'gemv2 32 16 4 1 ahead']],
    ['down', 2, ['gemv2 16 64 2 4', 'gemv2 16 64 4 1']],
    ['gate+up', 1, ['gemv1 32 32 4 3', 'gemv1 32 16 4 5']],
  ],
  'qwen3-0.6b': [
    ['gate+up', 4, ['gemv4 32 16 4 1 ahead', 'gemv4 32 32 4 1', 'gemv4 32 32 2 1']],
    ['head', 4, ['gemv4 32 16 4 1 ahead', 'gemv4 16 32 4 1 ahead']],
    ['o', 16, ['gemv8 16 32 4 1 ahead', '16x64x64 122 /8 by2']],
  ],
  'llama-3.2-3b': [
    ['gate+up', 8, ['gemv8 32 32 4 1 ahead', 'gemv8 32 32 4 1', 'gemv8 32 16 4 1']],
    ['gate+up', 4, ['gemv4 32 16 4 1 ahead', 'gemv4 32 32 4 3']],
    ['o', 16, ['gemv8 16 32 4 1 ahead', '16x64x64 122 /8 by2']],
  ],
};

function productsToMeasure() {
  const wanted = flags.products.split(',');
  return flags.types.split(',').flatMap((type) => flags.models.split(',').flatMap((model) =>
    productsOf(MODELS[model], type).filter(({ name }) => wanted.includes(name)).flatMap(({ name: product, shapes: [shape] }) =>
      flags.rows.split(',').map((rows) => ({ model, type, product, shape, rows: Number(rows) })))));
}

const gemvOf = (shape, batch) => ({ what: `gemv${batch}`, kernels: [gemvProduct(shape, batch, { profile })] });

function todaysKernels({ shape, rows }) {
  return [
    { what: 'table', kernels: productKernels(shape, 'many', { profile }) },
    { what: 'today', kernels: productKernels(shape, 'many', { profile: today }) },
    ...(rows <= 16 ? [gemvOf(shape, rows <= 2 ? rows : rows <= 4 ? 4 : 8)] : []),
  ];
}

async function measureProduct({ texts, ...each }) {
  const { shape, rows } = each;
  const fitting = texts.filter(({ kernels }) => kernels?.every(({ kernel }) => fits(kernel)));
  await compileAll(fitting.flatMap(({ kernels }) => kernels), rows);
  if (secondsLeft() < 2) return;
  const filler = await createFiller(gpu, pipelines);
  const copies = await boundProduct(filler, shape, rows, fitting.flatMap(({ kernels }) => kernels));
  const shown = await measureAll(each, fitting, copies);
  console.log(`${each.model} ${each.type} ${each.product} ${rows}: ${shown.join('; ')}`);
  filler.destroy();
}

async function measureTimes() {
  for (const each of productsToMeasure()) await measureProduct({ ...each, texts: todaysKernels(each) });
}

async function measureTilings() {
  const [model] = flags.models.split(',');
  const [type] = flags.types.split(',');
  for (const [product, rows, texts] of CANDIDATES[model]) {
    if (!flags.products.split(',').includes(product)) continue;
    if (secondsLeft() < 2) return console.log('time is over');
    const { shapes: [shape] } = productsOf(MODELS[model], type).find(({ name }) => name === product);
    const made = texts.map((text) => ({ what: text, kernels: attempt(() => candidateOf(shape, text)) }));
    for (const { what, kernels } of made) if (kernels === undefined) console.log(`${product} has no ${what}`);
    await measureProduct({ model, type, product, shape, rows, texts: made });
  }
}

/** The kernels that a text of a candidate stands for. */
function candidateOf(shape, text) {
  const [, batch] = /^gemv(\d+)/.exec(text) ?? [];
  if (batch !== undefined) {
    const [rowsPerWorkgroup, lanesPerRow, rowsPerSlot, unroll] = text.split(' ').slice(1).map(Number);
    const isAhead = text.endsWith('ahead');
    const variant = { shape, batch: Number(batch), subgroupSize: 32, rowsPerWorkgroup, lanesPerRow, rowsPerSlot, unroll, isAhead };
    return [{ kernel: gemvInt8Kernel(variant), workgroups: (rows) => gemvInt8Workgroups(variant, rows) }];
  }
  const kernels = kernelsOf(shape, tilingOf(text));
  return text.includes('given') ? kernels.slice(1) : kernels;
}

function attempt(make) {
  try {
    return make();
  } catch {
    return undefined;
  }
}

const NEXT_FETCH = /if \(first \+ [^<]*< [^)]+\) \{\nw\d = fetch[^}]*\}/g;

function withoutPut(text) {
  const barrier = 'workgroupBarrier();\n';
  const first = text.indexOf(barrier, text.lastIndexOf('turn++) {')) + barrier.length;
  return text.slice(0, first) + text.slice(text.indexOf(barrier, first));
}

/** A kernel with some of its text left out: what it then takes less is what that costs, where nothing else hides it. */
const WITHOUT = {
  whole: (text) => text,
  'row factors': (text) => text.replace(/(let line = min\(place[\s\S]*?for \(var k = 0u; k < )\d+u/, '$10u'),
  'next fetch': (text) => text.replace(NEXT_FETCH, ''),
  'fetch and put': (text) => withoutPut(text).replace(NEXT_FETCH, ''),
  products: (text) => text.replaceAll(/c\d_\d = subgroupMatrixMultiplyAccumulate[^;]*;/g, ''),
  end: (text) => text.replaceAll(/finishPiece\(p[^;]*;/g, ''),
  'room for two in 48 KiB': (text) => text.replace(/(var<workgroup> held: array<vec4<u32>, )\d+/, '$11536'),
  'room for one in 48 KiB': (text) => text.replace(/(var<workgroup> held: array<vec4<u32>, )\d+/, '$13072'),
};

const PARTED = [
  ['gate+up', 16, '16x64x64 122 /1'], ['down', 16, '16x64x64 122 /13 by2'], ['gate+up', 512, '256x64x64 411 /1 halves'],
];

async function measureParts() {
  for (const [product, rows, text] of PARTED) {
    const [{ shapes: [shape] }] = productsOf(MODELS['qwen3-4b'], 'q4_0').filter(({ name }) => name === product);
    const filler = await createFiller(gpu, pipelines);
    const made = kernelsOf(shape, tilingOf(text));
    const { kernel, workgroups, partialBytes: bytes } = made.find(({ kernel: { key } }) => key.startsWith('matrix-gemm'));
    const copies = await boundProduct(filler, shape, rows, [{ partialBytes: bytes }]);
    const parts = [];
    for (const [what, without] of Object.entries(WITHOUT)) {
      const wgsl = without(kernel.wgsl);
      if (what !== 'whole' && wgsl === kernel.wgsl) continue;
      parts.push({ what: `without ${what}`, kernels: [{ kernel: { ...kernel, wgsl, key: `${kernel.key} without ${what}` }, workgroups }] });
    }
    const fitting = parts.filter(({ kernels: [{ kernel: own }] }) => fits(own));
    await compileAll(fitting.flatMap(({ kernels }) => kernels), rows);
    const shown = await measureAll({ model: 'qwen3-4b', type: 'q4_0', product, shape, rows }, fitting, copies);
    console.log(`${product} ${rows} ${text}: ${shown.join('; ')}`);
    filler.destroy();
  }
}

const only = flags.only.split(',');
if (only.includes('parts')) await measureParts();
if (only.includes('values')) {
  for (const tiling of VALUE_TILINGS) await checkValues('q4_0', tiling);
}
if (only.includes('forms')) {
  const types = WEIGHT_TYPES.filter((type) => !type.startsWith('affine') || type.endsWith('_g64_bf16'));
  for (const type of types) await checkValues(type, '128x128x64 241 /1');
}
if (only.includes('times')) await measureTimes();
if (only.includes('tilings')) await measureTilings();
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
gpu.destroy();
