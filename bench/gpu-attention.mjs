/**
 * Speed of the attention kernels: a chain of all layers of a model, each over keys of its own, in one submit. Not a test.
 * Usage: node bench/gpu-attention.mjs [--models qwen3-0.6b,qwen3-4b,llama-3.2-3b] [--keys 128,448,1024,4096]
 *   [--rows 512,4096] [--kind decode|prefill]
 *   [--seconds 55] [--out FILE] [--tiny]
 * A JSON line for every variant and length, to the file or printed: microseconds a layer (decode with its combine; prefill with
 * kv-write), by the device's timestamps where it has them. Then the best decode variants of each model and length as a table.
 * `--tiny` is a try-out for a software adapter. Needs dist/.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';
import { kvStatePageBytes } from '../dist/gpu/attention-shape.js';
import { attentionCombineKernel, attentionCombineWorkgroups } from '../dist/gpu/kernels/attention-combine/attention-combine.js';
import { attentionDecodeKernel, attentionDecodeWorkgroups } from '../dist/gpu/kernels/attention-decode/attention-decode.js';
import { partialBytes } from '../dist/gpu/kernels/attention-decode/key-splits.js';
import {
  attentionPrefillKernel, attentionPrefillVariant, attentionPrefillWorkgroups, prefillTileBytes,
} from '../dist/gpu/kernels/attention-prefill/attention-prefill.js';
import { attentionTiles } from '../dist/gpu/kernels/attention-prefill/attention-tiles.js';
import { kvWriteKernel, kvWriteWorkgroups } from '../dist/gpu/kernels/kv-write/kv-write.js';
import { decodeVariants, nameOf, suits } from './gpu-attention/decode-variants.mjs';
import { MODELS } from './gpu-chain.mjs';
import { summarise } from './measurement.mjs';

const { values: options } = parseArgs({
  options: {
    models: { type: 'string' },
    keys: { type: 'string' },
    rows: { type: 'string' },
    kind: { type: 'string' },
    out: { type: 'string' },
    seconds: { type: 'string', default: '55' },
    tiny: { type: 'boolean', default: false },
  },
});
const numbers = (text, otherwise) => (text === undefined ? otherwise : text.split(',').map(Number));
const modelNames = options.models?.split(',') ?? (options.tiny ? ['tiny'] : ['qwen3-0.6b', 'qwen3-4b', 'llama-3.2-3b']);
const keyCounts = numbers(options.keys, options.tiny ? [16, 300] : [128, 448, 1024, 4096]);
const rowCounts = numbers(options.rows, options.tiny ? [32] : [512, 4096]);

const PAGE_TOKENS = 64;
const PASSES = options.tiny ? 1 : 4;
const ROUGH_RUNS = options.tiny ? 1 : 2;
const RUNS = options.tiny ? 2 : 9;
const FINALISTS = 5;
/** Lines of the table for a model and length, and one more for the best of the other form. */
const SHOWN = 3;
const COMBINE_INVOCATIONS = 256;
const started = performance.now();
const seconds = () => Math.round((performance.now() - started) / 100) / 10;
const isLate = () => seconds() > Number(options.seconds);
const records = [];
const table = [];

Object.assign(globalThis, globals);
/** Dawn's instance must outlive all that came from it. */
globalThis.keptGpu = create([
  'enable-dawn-features=allow_unsafe_apis,disable_robustness,disable_workgroup_init,disable_polyfills_on_integer_div_and_mod',
  'disable-dawn-features=timestamp_quantization',
]);
const adapter = await globalThis.keptGpu.requestAdapter({ powerPreference: 'high-performance' });
const { limits, info } = adapter;
const LIMITS = [
  'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX', 'maxStorageBufferBindingSize', 'maxBufferSize',
];
const device = await adapter.requestDevice({
  requiredFeatures: ['subgroups', 'timestamp-query'].filter((feature) => adapter.features.has(feature)),
  requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, limits[name]])),
});
device.onuncapturederror = ({ error }) => {
  console.error(error.message);
  process.exit(1);
};
const subgroupSize = device.features.has('subgroups') && info.subgroupMinSize === info.subgroupMaxSize ? info.subgroupMinSize : undefined;
const hasTimestamps = device.features.has('timestamp-query');

const BUFFER_TYPES = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' };
const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
const emptyBuffer = (size) => device.createBuffer({ size: Math.max(16, Math.ceil(size / 16) * 16), usage });

function filledBuffer(data, extraUsage = 0) {
  const buffer = device.createBuffer({ size: Math.max(16, data.byteLength), usage: usage | extraUsage });
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** Words of a small random f16 pair or f32: masked random bits and a pattern that fixes the exponent. */
const fill = device.createComputePipeline({
  layout: 'auto',
  compute: {
    module: device.createShaderModule({
      code: `@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@group(0) @binding(1) var<uniform> form: vec4<u32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  for (var i = id.x; i < arrayLength(&words); i += count.x * 256u) {
    var x = (i + form.z) * 0x9e3779b9u;
    x = (x ^ (x >> 16u)) * 0x85ebca6bu;
    x ^= x >> 13u;
    words[i] = (x & form.x) | form.y;
  }
}`,
    }),
  },
});

function fillRandom(buffer, form, seed) {
  const uniform = filledBuffer(Uint32Array.of(...form, seed, 0), GPUBufferUsage.UNIFORM);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(fill);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: fill.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer } }, { binding: 1, resource: { buffer: uniform } }],
    }),
  );
  pass.dispatchWorkgroups(1024);
  pass.end();
  device.queue.submit([encoder.finish()]);
}
const HALVES = [0x83ff83ff, 0x38003800];
const FLOATS = [0x807fffff, 0x3f000000];

const pipelines = new Map();

function prepare(kernel) {
  const known = pipelines.get(kernel.key) ?? compile(kernel);
  pipelines.set(kernel.key, known);
  return known;
}

async function compile(kernel) {
  const module = device.createShaderModule({ code: kernel.wgsl });
  const entries = kernel.bindings.map(({ access }, binding) => ({
    binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: BUFFER_TYPES[access] },
  }));
  const layout = device.createBindGroupLayout({ entries });
  const pipeline = await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }), compute: { module, entryPoint: 'main' },
  });
  const bind = (buffers) => device.createBindGroup({
    layout, entries: kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: buffers[name] } })),
  });
  return { pipeline, bind };
}

const querySet = hasTimestamps ? device.createQuerySet({ type: 'timestamp', count: 2 }) : undefined;
const resolved = device.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
const readable = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });

/** Microseconds that `passes` times all dispatches [{ pipeline, group, workgroups }] take in one compute pass. */
async function timeOnce(dispatches, passes) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass(querySet ? { timestampWrites: {
    querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1,
  } } : {});
  for (let n = 0; n < passes; n++) {
    for (const { pipeline, group, workgroups } of dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
  }
  pass.end();
  if (querySet) {
    encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, 16);
  }
  const commands = encoder.finish();
  const begun = performance.now();
  device.queue.submit([commands]);
  await device.queue.onSubmittedWorkDone();
  const wallUs = (performance.now() - begun) * 1000;
  if (!querySet) return wallUs;
  await readable.mapAsync(GPUMapMode.READ);
  const [from, to] = new BigUint64Array(readable.getMappedRange().slice(0));
  readable.unmap();
  return Number(to - from) / 1000;
}

async function timeLayers(dispatches, { layers, passes, runs }) {
  const figures = [];
  for (let run = -1; run < runs; run++) {
    const us = await timeOnce(dispatches, passes);
    if (run >= 0) figures.push(us / passes / layers);
  }
  return summarise(figures);
}

const rounded = (value) => Number(value.toPrecision(4));

function report(model, row, { median, min, max }) {
  const record = JSON.stringify({
    bench: 'gpu-attention', device: info.description || info.device, model, ...row, usPerLayer: rounded(median),
    min: rounded(min), max: rounded(max), clock: hasTimestamps ? 'gpu' : 'wall',
  });
  if (options.out === undefined) console.log(record);
  else records.push(`${record}\n`);
}

/** Pipelines and their dispatches over all layers, or undefined where the device lacks the room. */
async function prepareDecode(variant, buffers) {
  const { shape, splits } = variant;
  const kernel = attentionDecodeKernel(variant);
  if (kernel.workgroupBytes > limits.maxComputeWorkgroupStorageSize || variant.invocations > limits.maxComputeInvocationsPerWorkgroup)
    return undefined;
  const combineVariant = splits && { shape, splits, invocations: COMBINE_INVOCATIONS };
  const [attend, combine] = await Promise.all([prepare(kernel), splits && prepare(attentionCombineKernel(combineVariant))]);
  const dispatches = buffers.kv.flatMap((kv) => [
    { pipeline: attend.pipeline, group: attend.bind({ ...buffers, kv }), workgroups: attentionDecodeWorkgroups(variant, 1) },
    ...(combine ? [
      { pipeline: combine.pipeline, group: combine.bind(buffers), workgroups: attentionCombineWorkgroups(combineVariant, 1) },
    ] : []),
  ]);
  return { variant, dispatches };
}

/** All variants once, roughly; then the best ones of either form again, in turn. */
async function measureDecode(model, shape, layers, buffers) {
  const variants = decodeVariants(shape, { subgroupSize, isTiny: options.tiny });
  const most = partialBytes(shape, { count: Math.max(...variants.map(({ splits }) => splits?.count ?? 1)) }, 1);
  const bound = { ...buffers, partials: emptyBuffer(most) };
  const prepared = (await Promise.all(variants.map((variant) => prepareDecode(variant, bound)))).filter((found) => found !== undefined);
  console.error(`${model}: ${prepared.length} variants compiled after ${seconds()} s`);
  for (const keys of keyCounts) {
    device.queue.writeBuffer(buffers.positions, 0, Uint32Array.of(keys - 1));
    const rough = [];
    for (const candidate of prepared.filter(({ variant }) => suits(variant, keys))) {
      if (isLate()) return;
      rough.push({ ...candidate, ...(await timeLayers(candidate.dispatches, { layers, passes: PASSES, runs: ROUGH_RUNS })) });
    }
    rough.sort((a, b) => a.median - b.median);
    const isSplit = ({ variant }) => variant.splits !== undefined;
    const finalists = [
      ...rough.filter(isSplit).slice(0, FINALISTS),
      ...rough.filter((candidate) => !isSplit(candidate)).slice(0, FINALISTS),
    ];
    const final = [];
    for (const candidate of finalists) final.push({
      ...candidate, ...(await timeLayers(candidate.dispatches, { layers, passes: PASSES, runs: RUNS })),
    });
    for (const { variant: { shape: _, ...form }, ...figures } of [
      ...rough.filter((candidate) => !finalists.includes(candidate)), ...final,
    ]) {
      report(model, { kind: 'decode', keys, ...form }, figures);
    }
    final.sort((a, b) => a.median - b.median);
    // The best, and the best of the other form.
    const other = final.findIndex(
      (candidate, i) =>
        i >= SHOWN &&
        isSplit(candidate) !== isSplit(final[0]) &&
        !final.slice(0, SHOWN).some((shown) => isSplit(shown) !== isSplit(final[0])),
    );
    const shown = final.slice(0, SHOWN).concat(other < 0 ? [] : [final[other]]);
    for (const { variant, median, min, max } of shown)
      table.push(
        `${model.padEnd(13)} ${String(keys).padStart(5)} ${median.toFixed(2).padStart(7)} (${min.toFixed(2)}-${max.toFixed(2)})  ` +
          `${nameOf(variant)}`,
      );
  }
  bound.partials.destroy();
}

function prefillVariants(shape, isFirst) {
  const chosen = attentionPrefillVariant(shape, {
    invocations: 256, bytes: Math.min(limits.maxComputeWorkgroupStorageSize, options.tiny ? 16384 : 32768),
  });
  if (!isFirst || options.tiny) return [chosen];
  const others = [
    [32, 32, 64], [32, 16, 128], [16, 32, 64], [16, 32, 32], [64, 32, 128], [64, 32, 256], [32, 64, 128], [64, 16, 256],
  ].map(([tileRows, tileKeys, invocations]) => ({ shape, tileRows, tileKeys, invocations }));
  return [chosen, ...others.filter((variant) => prefillTileBytes(variant) <= limits.maxComputeWorkgroupStorageSize)];
}

async function measurePrefill(model, shape, layers, { buffers, isFirst }) {
  const write = { shape, invocations: 64 };
  const writing = await prepare(kvWriteKernel(write));
  for (const variant of prefillVariants(shape, isFirst)) {
    const attending = await prepare(attentionPrefillKernel(variant));
    for (const rows of rowCounts) {
      if (isLate()) return;
      device.queue.writeBuffer(buffers.positions, 0, Uint32Array.from({ length: rows }, (_, i) => i));
      device.queue.writeBuffer(buffers.step, 0, Uint32Array.of(rows, 0, 0, 1));
      const words = attentionTiles([{ rows, start: 0 }], variant.tileRows);
      const tiles = filledBuffer(words);
      const dispatches = buffers.kv.flatMap((kv) => [
        { pipeline: writing.pipeline, group: writing.bind({ ...buffers, kv }), workgroups: kvWriteWorkgroups(write, { rows, outRows: 1 }) },
        {
          pipeline: attending.pipeline, group: attending.bind({ ...buffers, kv, tiles }),
          workgroups: attentionPrefillWorkgroups(variant, { tiles: words.length / 4 }),
        },
      ]);
      const figures = await timeLayers(dispatches, { layers, passes: 1, runs: rows > 1024 ? 2 : 3 });
      const { shape: _, ...form } = variant;
      const multiplyAdds = rows * (rows + 1) * shape.heads * shape.headDim;
      report(
        model,
        {
          kind: 'prefill', rows, ...form, msAllLayers: rounded((figures.median * layers) / 1000),
          tflops: rounded((2 * multiplyAdds) / figures.median / 1e6),
        },
        figures,
      );
      tiles.destroy();
    }
  }
}

function ropeBuffer(positions, rotaryDim) {
  const half = rotaryDim / 2;
  return filledBuffer(Float32Array.from({ length: positions * half * 2 }, (_, i) => {
    const angle = Math.floor(i / 2 / half) * 1e6 ** (-((i >> 1) % half) / half);
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  }));
}

async function measureModel(model, isFirst) {
  const { heads, kvHeads, headDim, layers } = MODELS[model];
  const rows = options.kind === 'decode' ? 1 : Math.max(...rowCounts);
  const tokens = Math.max(...keyCounts, rows);
  const maxPages = Math.ceil(tokens / PAGE_TOKENS);
  const preparation = { norm: model.startsWith('llama') ? undefined : { eps: 1e-6 }, rotaryDim: headDim };
  const shape = {
    heads, kvHeads, headDim, scale: headDim ** -0.5, kv: 'f16', pageTokens: PAGE_TOKENS, maxPages, input: 'joined',
    q: preparation, k: preparation, output: 'q8',
  };
  const width = heads * headDim;
  const buffers = {
    qkv: emptyBuffer(rows * (heads + 2 * kvHeads) * headDim * 4),
    qGain: filledBuffer(new Float32Array(headDim).fill(1)), kGain: filledBuffer(new Float32Array(headDim).fill(1)),
    rope: ropeBuffer(tokens, headDim), positions: emptyBuffer(rows * 4), rowSequence: emptyBuffer(rows * 4),
    // A permutation of the pages: 7 and their number have no common divisor.
    pageTable: filledBuffer(Uint32Array.from({ length: maxPages }, (_, i) => (i * 7) % maxPages)),
    step: filledBuffer(Uint32Array.of(1, 0, 0, 1), GPUBufferUsage.UNIFORM),
    yCodes: emptyBuffer(rows * width), yStats: emptyBuffer(((rows * 3 * width) / 16) * 4),
    kv: Array.from({ length: layers }, () => emptyBuffer(maxPages * kvStatePageBytes(shape))),
  };
  if (maxPages % 7 === 0) throw new Error(`bench: ${maxPages} pages are not permuted by 7`);
  fillRandom(buffers.qkv, FLOATS, 1);
  buffers.kv.forEach((buffer, layer) => fillRandom(buffer, HALVES, layer + 2));
  if (options.kind !== 'prefill') await measureDecode(model, shape, layers, buffers);
  if (options.kind !== 'decode') await measurePrefill(model, shape, layers, { buffers, isFirst });
  for (const buffer of Object.values(buffers).flat()) buffer.destroy();
}

for (const [n, model] of modelNames.entries()) await measureModel(model, n === 0);
if (options.out !== undefined) writeFileSync(options.out, records.join(''));
if (table.length > 0) console.log(`${'model'.padEnd(13)}  keys us/layer (min-max), the best of all\n${table.join('\n')}`);
console.error(`${seconds()} s`);
if (isLate()) console.error(`stopped after ${options.seconds} s: some rows are missing`);
device.destroy();
