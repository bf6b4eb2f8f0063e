/**
 * Speed of decode attention, of one sequence and of many beside each other: a chain of layers, each over keys of its own, in one submit.
 * Usage: node bench/gpu-attention.mjs [--models qwen3-0.6b,qwen3-4b] [--streams 1,16] [--keys 128,512,4096] [--seconds 55] [--out FILE]
 *   [--tiny]
 * A JSON line for every variant and length, to the file: microseconds a layer with its combine, by the device's timestamps where it has
 * them. Then the variant that the profile has, and the best ones. `--tiny` is a try-out on the software adapter. Needs dist/.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { createPipelines, kernelProblems } from '../dist/gpu/device/pipeline-cache.js';
import { attentionCombineKernel, attentionCombineWorkgroups } from '../dist/gpu/kernels/attention-combine/attention-combine.js';
import { attentionDecodeKernel, attentionDecodeWorkgroups } from '../dist/gpu/kernels/attention-decode/attention-decode.js';
import { partialBytes } from '../dist/gpu/kernels/attention-decode/key-splits.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { decodeVariants, nameOf, suits } from './gpu-attention/decode-variants.mjs';
import { MODELS } from './gpu-chain.mjs';
import { summarise } from './measurement.mjs';

const { values: options } = parseArgs({
  options: {
    models: { type: 'string' },
    keys: { type: 'string' },
    streams: { type: 'string' },
    out: { type: 'string' },
    seconds: { type: 'string', default: '55' },
    tiny: { type: 'boolean', default: false },
  },
});
const numbers = (text, otherwise) => (text === undefined ? otherwise : text.split(',').map(Number));
const modelNames = options.models?.split(',') ?? (options.tiny ? ['tiny'] : ['qwen3-0.6b', 'qwen3-4b']);
const keyCounts = numbers(options.keys, options.tiny ? [16, 300] : [128, 512, 4096]);
const streamCounts = numbers(options.streams, options.tiny ? [1, 3] : [1, 16]);

const PAGE_TOKENS = 64;
/** More than any cache holds, so that each layer finds its keys in memory. */
const CHAIN_BYTES = options.tiny ? 2 ** 20 : 400 * 2 ** 20;
const RUNS = options.tiny ? 1 : 7;
/** Chains of a counted run: Dawn's timestamps come in steps of 65 us. */
const TIMES = options.tiny ? 1 : 4;
const WARM_MS = options.tiny ? 0 : 300;
const FINALISTS = 8;
const SHOWN = 4;
const COMBINE_INVOCATIONS = 256;
const started = performance.now();
const seconds = () => Math.round((performance.now() - started) / 100) / 10;
const isLate = () => seconds() > Number(options.seconds);

const found = await findAdapter(options.tiny ? 'software' : 'hardware');
if (found.adapter === undefined) throw new Error(found.problem);
const gpu = await openGpuDevice(found.adapter, { timestamps: true });
const { device, subgroupSize } = gpu;
const pipelines = createPipelines(gpu);
const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
const querySet = gpu.features.has('timestamp-query') ? device.createQuerySet({ type: 'timestamp', count: 2 }) : undefined;
const emptyBuffer = (size) => gpu.createBuffer({ label: 'bench', size: Math.max(16, Math.ceil(size / 16) * 16), usage });
function filledBuffer(data) {
  const buffer = emptyBuffer(data.byteLength);
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/** Random halves of 0.5 to 1 and their negatives, again and again. */
function fillHalves(buffer) {
  const words = Uint32Array.from({ length: 2 ** 18 }, (_, i) => (Math.imul(i + 1, 0x9e3779b9) & 0x83ff83ff) | 0x38003800);
  for (let at = 0; at < buffer.size; at += words.byteLength)
    device.queue.writeBuffer(buffer, at, words, 0, Math.min(words.length, (buffer.size - at) / 4));
}

/** Microseconds that all dispatches [{ pipeline, group, workgroups }] take in one compute pass, `times` over. */
async function timeOnce(dispatches, times) {
  const encoder = device.createCommandEncoder();
  const writes = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  const pass = encoder.beginComputePass(querySet ? { timestampWrites: writes } : {});
  for (let n = 0; n < times; n++) {
    for (const { pipeline, group, workgroups } of dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
  }
  pass.end();
  const begun = performance.now();
  if (!querySet) {
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - begun) * 1000;
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

async function timeLayers({ dispatches }, layers, { runs, times }) {
  const figures = [];
  for (let run = -1; run < runs; run++) {
    const us = await timeOnce(dispatches, times);
    if (run >= 0) figures.push(us / layers / times);
  }
  return summarise(figures);
}

/** A device that has been idle, while kernels compiled, begins with slow clocks. */
async function warmUp({ dispatches }) {
  for (const from = performance.now(); performance.now() - from < WARM_MS; ) await timeOnce(dispatches, TIMES);
}

async function boundTo(kernel, workgroups, buffers) {
  const { pipeline, layout } = await pipelines.get(kernel);
  const entries = kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: buffers[name] } }));
  return { pipeline, workgroups, group: device.createBindGroup({ layout, entries }) };
}

/** A variant's dispatches over all layers. */
async function prepare(variant, buffers, { streams }) {
  const { shape, splits } = variant;
  const kernel = attentionDecodeKernel(variant);
  const combine = splits && { shape, splits, invocations: COMBINE_INVOCATIONS };
  const dispatches = await Promise.all(buffers.kv.flatMap((kv) => [
    boundTo(kernel, attentionDecodeWorkgroups(variant, streams), { ...buffers, kv }),
    ...(combine ? [boundTo(attentionCombineKernel(combine), attentionCombineWorkgroups(combine, streams), buffers)] : []),
  ]));
  return { variant, dispatches };
}

/** All variants once, roughly; then the best ones again. */
async function measure(model, shape, { streams, keys }) {
  const buffers = buffersOf(shape, { streams, keys, layers: MODELS[model].layers });
  const variants = decodeVariants(shape, { subgroupSize, isTiny: options.tiny, streams })
    .filter((variant) => suits(variant, { keys, streams }) && kernelProblems(attentionDecodeKernel(variant), gpu).length === 0);
  const most = partialBytes(shape, { count: Math.max(...variants.map(({ splits }) => splits?.count ?? 1)) }, streams);
  const all = { ...buffers, partials: emptyBuffer(most) };
  const prepared = await Promise.all(variants.map((variant) => prepare(variant, all, { streams })));
  const rough = [];
  await warmUp(prepared[0]);
  for (const candidate of prepared) {
    if (isLate()) break;
    rough.push({ ...candidate, ...(await timeLayers(candidate, buffers.kv.length, { runs: 1, times: 1 })) });
  }
  rough.sort((a, b) => a.median - b.median);
  const finalists = new Set([...rough.slice(0, FINALISTS), ...rough.filter(({ variant }) => ownMode(variant) !== undefined)]);
  const final = [];
  for (const candidate of finalists)
    final.push({ ...candidate, ...(await timeLayers(candidate, buffers.kv.length, { runs: RUNS, times: TIMES })) });
  final.sort((a, b) => a.median - b.median);
  for (const { variant: { shape: _, ...form }, median, min, max } of [...rough.filter((each) => !finalists.has(each)), ...final])
    record({ model, streams, keys, ...form, usPerLayer: median, min, max });
  const bytes = streams * keys * shape.kvHeads * (shape.keyDim + shape.valueDim) * 2;
  for (const [i, { variant, median, min, max }] of final.entries()) {
    const own = ownMode(variant);
    if (i >= SHOWN && own === undefined) continue;
    console.log(
      `${model.padEnd(11)} ${String(streams).padStart(3)} of ${String(keys).padStart(5)} keys ` +
        `${median.toFixed(2).padStart(7)} us a layer (${min.toFixed(2)}-${max.toFixed(2)}), ` +
        `${(bytes / median / 1e6).toFixed(2)} TB/s  ${nameOf(variant)}` +
        `${own === undefined ? '' : `  <- the profile's ${own}`}`,
    );
  }
  for (const buffer of Object.values(all).flat()) buffer.destroy();
}

/** For which mode src/gpu/ops/attention.ts has it with NVIDIA's profile, where heads come in groups of 4. */
function ownMode({ splits, queryHeads, invocations, unroll, loads }) {
  const form = [splits?.count ?? 1, queryHeads, invocations, unroll, loads].join(' ');
  return {
    '1 1 256 8 refilled': 'whole', '32 2 128 4 ahead': 'split', '1 4 256 4 ahead': 'grouped', '4 4 128 4 ahead': 'groupedSplit',
  }[form];
}

function record(row) {
  const line = { bench: 'gpu-attention', device: gpu.name, clock: querySet ? 'gpu' : 'wall', ...row };
  if (options.out !== undefined) appendFileSync(options.out, `${JSON.stringify(line)}\n`);
}

function ropeOf(positions, rotaryDim) {
  const half = rotaryDim / 2;
  return Float32Array.from({ length: positions * half * 2 }, (_, i) => {
    const angle = Math.floor(i / 2 / half) * 1e6 ** (-((i >> 1) % half) / half);
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** A step of one row of each of `streams` sequences, the `keys`-th of it. */
function buffersOf(shape, { streams, keys, layers }) {
  const { heads, kvHeads, keyDim, valueDim, maxPages } = shape;
  const pages = Math.ceil(keys / PAGE_TOKENS);
  const layerBytes = streams * pages * PAGE_TOKENS * kvHeads * (keyDim + valueDim) * (options.tiny ? 4 : 2);
  const kept = Math.min(layers, Math.max(4, Math.ceil(CHAIN_BYTES / layerBytes)));
  const kv = Array.from({ length: kept }, () => emptyBuffer(layerBytes));
  for (const buffer of kv) fillHalves(buffer);
  const width = heads * valueDim;
  const ones = new Float32Array(keyDim).fill(1);
  return {
    kv, qkv: filledBuffer(Float32Array.from({ length: streams * (heads + 2 * kvHeads) * keyDim }, (_, i) => ((i * 37) % 64) / 32 - 1)),
    qGain: filledBuffer(ones), kGain: filledBuffer(ones), rope: filledBuffer(ropeOf(keys, keyDim)),
    positions: filledBuffer(new Uint32Array(streams).fill(keys - 1)),
    rowSequence: filledBuffer(Uint32Array.from({ length: streams }, (_, i) => i)),
    // The pages of each sequence in reverse order, and the sequences beside each other.
    pageTable: filledBuffer(Uint32Array.from({ length: streams * maxPages }, (_, i) =>
      Math.floor(i / maxPages) * pages + Math.max(0, pages - 1 - (i % maxPages)))),
    yCodes: emptyBuffer(streams * width), yStats: emptyBuffer(((streams * 3 * width) / 16) * 4),
  };
}

for (const model of modelNames) {
  const { heads, kvHeads, headDim } = MODELS[model];
  const preparation = { norm: model.startsWith('llama') ? undefined : { eps: 1e-6 }, rotaryDim: headDim };
  const shape = {
    heads, kvHeads, keyDim: headDim, valueDim: headDim, scale: headDim ** -0.5, kv: options.tiny ? 'f32' : 'f16', pageTokens: PAGE_TOKENS,
    maxPages: Math.ceil(Math.max(...keyCounts) / PAGE_TOKENS), input: 'joined', q: preparation, k: preparation, output: 'q8',
  };
  for (const streams of streamCounts)
    for (const keys of keyCounts) {
      if (isLate()) break;
      await measure(model, shape, { streams, keys });
    }
}
console.log(`${seconds()} s${isLate() ? `: stopped after ${options.seconds} s, some are missing` : ''}`);
gpu.destroy();
