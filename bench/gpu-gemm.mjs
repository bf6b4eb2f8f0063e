// The prefill GEMM (src/gpu/kernels/gemm) alone: products of real models at 512 rows, over tilings. Needs only dist/ and the GPU.
//   node bench/gpu-gemm.mjs [--models qwen3-0.6b,qwen3-4b] [--types q4_0,q4_k] [--products down,o] [--tilings 64x64x32r4,...] [--arithmetic int8]
//     [--rows 512] [--seconds 55] [--json FILE] [--safe] [--tiny] [--dist DIR]
// A tiling is tileRows x tileCols x tileDepth r rowsPerInvocation. --tiny: small shapes on the software adapter.
// Prints milliseconds, multiply-adds per second and compile times; then for each model what the fastest single tiling makes of a prefill's
// products; a JSON line per measurement goes to FILE. Results of tilings are compared with each other: `WRONG` where they differ.
import { appendFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    models: { type: 'string', default: 'qwen3-0.6b,qwen3-4b' }, types: { type: 'string', default: 'q4_0,q4_k' }, products: { type: 'string', default: 'qkv,o,gateUp,down' },
    tilings: { type: 'string' }, arithmetic: { type: 'string', default: 'int8,f32' }, rows: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '55' }, json: { type: 'string' }, safe: { type: 'boolean', default: false }, tiny: { type: 'boolean', default: false },
    dist: { type: 'string', default: new URL('../dist', import.meta.url).pathname },
  },
});
const fromDist = (path) => import(pathToFileURL(resolve(flags.dist, path)).href);
const { gemmKernel, gemmWorkgroups } = await fromDist('gpu/kernels/gemm/gemm.js');
const { layOutMatrix, packedFormatOf } = await fromDist('gpu/packed-layout.js');
const { outputWidth, totalRows } = await fromDist('gpu/linear-shape.js');
const { findAdapter } = await fromDist('node/gpu-adapter.js');

const MODELS = {
  'qwen3-0.6b': { layers: 28, dim: 1024, heads: 2048, keysAndValues: 2048, ffnDim: 3072 },
  'qwen3-4b': { layers: 36, dim: 2560, heads: 4096, keysAndValues: 2048, ffnDim: 9728 },
  tiny: { layers: 1, dim: 256, heads: 256, keysAndValues: 256, ffnDim: 512 },
};
const TILINGS = {
  int8: ['64x64x32r4', '64x64x64r4', '64x64x32r8', '128x64x32r8', '128x64x64r8', '64x128x32r4', '64x128x32r8', '128x128x32r8', '128x128x64r8', '32x64x32r4', '32x64x64r4', '32x128x32r4'],
  f32: ['64x64x16r4', '64x64x32r4', '128x64x16r8', '64x128x16r8', '128x128x16r8'],
};
const TINY_TILINGS = { int8: ['16x64x32r4', '16x32x32r4'], f32: ['16x64x16r4', '16x32x16r4'] };
const REPEAT_MS = flags.tiny ? 0 : 12;
const xRows = flags.tiny ? 70 : Number(flags.rows);
const RUNS = flags.tiny ? 1 : 3;
const started = performance.now();
const secondsLeft = () => Number(flags.seconds) - (performance.now() - started) / 1000;

/** The four products of a layer as the planner fuses them: int8 activations for block formats' int8 arithmetic, else f32. */
function products({ dim, heads, keysAndValues, ffnDim }, type, arithmetic) {
  const isInt8 = arithmetic === 'int8';
  const normed = { input: isInt8 ? 'q8n' : 'f32', norm: isInt8 ? undefined : { eps: 1e-6 } };
  const plain = { input: isInt8 ? 'q8' : 'f32', norm: undefined };
  const quantised = isInt8 ? { f32: true, q8: { norm: { eps: 1e-6 } } } : { f32: true, q8: undefined };
  const shape = (cols, rows, rest) => ({ cols, parts: [{ type, rows }], bias: false, gated: false, residual: false, rowCount: 'rows', ...rest });
  return {
    qkv: shape(dim, heads + keysAndValues, { ...normed, outputs: { f32: true, q8: undefined } }),
    o: shape(heads, dim, { ...plain, residual: true, outputs: quantised }),
    gateUp: shape(dim, 2 * ffnDim, { ...normed, gated: true, outputs: isInt8 ? { f32: false, q8: { norm: undefined } } : { f32: true, q8: undefined } }),
    down: shape(ffnDim, dim, { ...plain, residual: true, outputs: quantised }),
  };
}

function parseTiling(text, arithmetic) {
  const match = /^(\d+)x(\d+)x(\d+)r(\d+)$/.exec(text);
  if (match === null) throw new Error(`a tiling looks like 64x64x32r4, not ${text}`);
  const [tileRows, tileCols, tileDepth, rowsPerInvocation] = match.slice(1).map(Number);
  return { arithmetic, tileRows, tileCols, tileDepth, rowsPerInvocation };
}

const found = await findAdapter(flags.tiny ? 'software' : 'hardware', { toggles: flags.safe ? 'safe' : 'fast' });
if (found.problem) throw new Error(found.problem);
const { adapter } = found;
const device = await adapter.requestDevice({ requiredLimits: Object.fromEntries(
  ['maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX', 'maxStorageBufferBindingSize', 'maxBufferSize'].map((name) => [name, adapter.limits[name]]),
) });
console.log(`${found.description}; ${xRows} rows; toggles ${flags.safe ? 'safe' : 'fast'}`);

/** Pipelines with their explicit layouts, as the executor makes them. */
async function compile({ wgsl, bindings }) {
  const begin = performance.now();
  const type = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' };
  const group = device.createBindGroupLayout({ entries: bindings.map(({ access }, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: type[access] } })) });
  const pipeline = await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [group] }), compute: { module: device.createShaderModule({ code: wgsl }), entryPoint: 'main' },
  });
  return { group, pipeline, ms: performance.now() - begin };
}

const FILL = {
  bindings: [{ access: 'write' }, { access: 'uniform' }],
  // Any bits are codes; floats and halves get exponents near 1/64, so that nothing overflows.
  wgsl: `struct Pattern { mask: u32, bits: u32, words: u32, seed: u32 }
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@group(0) @binding(1) var<uniform> pattern: Pattern;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let stride = count.x * 256u;
  let rounds = (pattern.words + stride - 1u) / stride;
  for (var k = 0u; k < rounds; k++) {
    let i = id.x + k * stride;
    if (i < pattern.words) {
      var h = (i + pattern.seed) * 2654435761u;
      h = (h ^ (h >> 15u)) * 2246822519u;
      h = (h ^ (h >> 13u)) * 3266489917u;
      data[i] = ((h ^ (h >> 16u)) & pattern.mask) | pattern.bits;
    }
  }
}`,
};
const PATTERNS = { any: [0xffffffff, 0], halves: [0x83ff83ff, 0x20002000], floats: [0x807fffff, 0x3c800000], positive: [0x007fffff, 0x3c000000] };
const fill = await compile(FILL);

function filled(sizeBytes, patternName, seed) {
  const size = Math.ceil(sizeBytes / 16) * 16;
  const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const pattern = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(pattern, 0, Uint32Array.from([...PATTERNS[patternName], size / 4, seed]));
  const entries = [buffer, pattern].map((resource, binding) => ({ binding, resource: { buffer: resource } }));
  dispatch(fill.pipeline, device.createBindGroup({ layout: fill.group, entries }), [Math.min(4096, Math.ceil(size / 1024)), 1, 1], 1);
  return buffer;
}

function dispatch(pipeline, group, workgroups, times) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...workgroups);
  pass.end();
  device.queue.submit([encoder.finish()]);
}

const PLANE_PATTERNS = { codes: 'any', high: 'any', subs: 'any', scales: 'halves', metas: 'halves' };

function buffersOf(shape, rows) {
  const width = outputWidth(shape);
  const buffers = {};
  shape.parts.forEach((part, n) => {
    const format = packedFormatOf(part.type);
    for (const { name, sizeBytes } of layOutMatrix(format, part.rows, shape.cols).planes) buffers[`p${n}_${name}`] = filled(sizeBytes, PLANE_PATTERNS[name] ?? (part.type === 'f16' ? 'halves' : 'floats'), 1);
  });
  if (shape.input === 'f32') buffers.x = filled(rows * shape.cols * 4, 'floats', 2);
  else Object.assign(buffers, { xCodes: filled(rows * shape.cols, 'any', 3), xStats: filled((rows * 3 * shape.cols) / 4, 'positive', 4) });
  Object.assign(buffers, {
    gain: filled(shape.cols * 4, 'floats', 5), residual: filled(rows * width * 4, 'floats', 6), yGain: filled(width * 4, 'floats', 7),
    y: filled(rows * width * 4, 'floats', 8), yCodes: filled(rows * width, 'any', 9), yStats: filled((rows * 3 * width) / 4, 'floats', 10),
  });
  buffers.step = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(buffers.step, 0, Uint32Array.from([rows, rows, 0, 0]));
  return buffers;
}

/** Some floats of the result, from its end, where tiles end too. */
async function sample(shape, buffers) {
  const source = shape.outputs.f32 ? buffers.y : buffers.yStats;
  const size = Math.min(source.size, 65536);
  const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, source.size - size, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}

/** Largest difference relative to the largest magnitude. */
function difference(a, b) {
  let most = 0;
  let magnitude = 0;
  for (let i = 0; i < a.length; i++) {
    if (!Number.isFinite(a[i])) return Infinity;
    most = Math.max(most, Math.abs(a[i] - b[i]));
    magnitude = Math.max(magnitude, Math.abs(b[i]));
  }
  return most / magnitude;
}

async function timeOf(run) {
  const once = async (times) => {
    const begin = performance.now();
    run(times);
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - begin) / times;
  };
  await once(1);
  const times = Math.max(1, Math.ceil(REPEAT_MS / (await once(2))));
  const runs = [];
  for (let i = 0; i < RUNS; i++) runs.push(await once(times));
  return summarise(runs);
}

async function measureProduct({ model, type, arithmetic, product, shape, rows }, tilings) {
  const variants = tilings.map((tiling) => ({ tiling, variant: { shape, ...parseTiling(tiling, arithmetic) } }))
    .map((entry) => ({ ...entry, kernel: gemmKernel(entry.variant) }))
    .filter(({ kernel }) => kernel.workgroupBytes <= device.limits.maxComputeWorkgroupStorageSize && kernel.workgroupSize <= device.limits.maxComputeInvocationsPerWorkgroup);
  const compiled = await Promise.all(variants.map(({ kernel }) => compile(kernel)));
  const buffers = buffersOf(shape, rows);
  const measured = [];
  let reference;
  for (const [i, { tiling, variant, kernel }] of variants.entries()) {
    const { pipeline, group, ms: compileMs } = compiled[i];
    const entries = kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: buffers[name] } }));
    const bindGroup = device.createBindGroup({ layout: group, entries });
    const workgroups = gemmWorkgroups(variant, rows);
    const { median, min, max } = await timeOf((times) => dispatch(pipeline, bindGroup, workgroups, times));
    const values = await sample(shape, buffers);
    reference ??= values;
    const apart = difference(values, reference);
    const teraPerSecond = (totalRows(shape) * shape.cols * rows) / median / 1e9;
    const isWrong = !(apart < (shape.outputs.f32 ? 1e-4 : 1e-2));
    console.log(`${model} ${type} ${arithmetic} ${product.padEnd(6)} ${tiling.padEnd(12)} ${median.toFixed(3)} ms  ${teraPerSecond.toFixed(2)} TMAC/s  ${workgroups[0] * workgroups[1]} x ${kernel.workgroupSize}  ${(kernel.workgroupBytes / 1024).toFixed(1)} KiB  compiled ${compileMs.toFixed(0)} ms${isWrong ? `  WRONG by ${apart}` : ''}`);
    const record = { bench: 'gpu-gemm', device: found.description, model, type, arithmetic, product, tiling, rows, cols: shape.cols, weightRows: totalRows(shape), ms: { median, min, max }, teraMultiplyAdds: teraPerSecond, compileMs, isWrong };
    if (flags.json) appendFileSync(flags.json, `${JSON.stringify(record)}\n`);
    measured.push({ product, tiling, ms: median, isWrong });
  }
  for (const buffer of Object.values(buffers)) buffer.destroy();
  return measured;
}

/** What one tiling for all products, and the best for each, make of all layers. */
function summary(name, layers, rows, measured) {
  const names = [...new Set(measured.map(({ product }) => product))];
  const of = (product) => measured.filter((entry) => entry.product === product && !entry.isWrong);
  const total = (pick) => names.reduce((sum, product) => sum + (pick(of(product))?.ms ?? Infinity), 0) * layers;
  const line = (label, ms) => console.log(`  ${name} ${label}: ${ms.toFixed(2)} ms for ${layers} layers, ${Math.round((rows / ms) * 1000)} tok/s by the products alone`);
  const tilings = [...new Set(measured.map(({ tiling }) => tiling))];
  const best = tilings.map((tiling) => ({ tiling, ms: total((entries) => entries.find((entry) => entry.tiling === tiling)) })).toSorted((a, b) => a.ms - b.ms);
  for (const { tiling, ms } of best.slice(0, 3)) line(tiling, ms);
  const fastest = (entries) => entries.toSorted((a, b) => a.ms - b.ms)[0];
  line(`each its best (${names.map((product) => `${product} ${fastest(of(product))?.tiling}`).join(', ')})`, total(fastest));
}

const wantedProducts = flags.products.split(',');
for (const type of flags.types.split(',')) {
  for (const model of flags.tiny ? ['tiny'] : flags.models.split(',')) {
    for (const arithmetic of flags.arithmetic.split(',')) {
      if (arithmetic === 'int8' && packedFormatOf(type).kind === 'floats') continue;
      const tilings = flags.tilings?.split(',') ?? (flags.tiny ? TINY_TILINGS : TILINGS)[arithmetic];
      const measured = [];
      for (const [product, shape] of Object.entries(products(MODELS[model], type, arithmetic))) {
        if (!wantedProducts.includes(product)) continue;
        if (secondsLeft() < 4) console.log(`${model} ${type} ${arithmetic} ${product}: left out, ${flags.seconds} s are over`);
        else measured.push(...(await measureProduct({ model, type, arithmetic, product, shape, rows: xRows }, tilings)));
      }
      if (measured.length > 0) summary(`${model} ${type} ${arithmetic}`, MODELS[model].layers, xRows, measured);
    }
  }
}
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
device.destroy();
