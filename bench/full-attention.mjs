// Attention over all rows (towers, encoders) on subgroup matrices, tile by tile, beside the kernel without them: values, then times.
//   node bench/full-attention.mjs [--heads 16x64,16x72] [--rows 1024,4096,12288] [--seconds 60] [--json FILE] [--software]
// Needs only dist/ and the GPU. A line for each number of rows: microseconds of a layer, its keys as halves included (median of 5 runs of
// several layers), and what it multiplies a second; `WRONG` where a value differs by more than 4e-3 from the kernel without matrices, of
// values up to 1. That kernel is left out above 4,096 rows, where the first tile is compared with.
// --software: emulated matrices and a small case on the software adapter, to test the script.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { createPipelines, kernelProblems } from '../dist/gpu/device/pipeline-cache.js';
import { attentionMatrixKernel, denseAttentionWorkgroups } from '../dist/gpu/kernels/attention-matrix/attention-matrix.js';
import { matrixKeysBytes, matrixKeysKernel, matrixKeysWorkgroups } from '../dist/gpu/kernels/attention-matrix/matrix-keys.js';
import { fullAttentionKernel, fullAttentionWorkgroups } from '../dist/gpu/kernels/full-attention/full-attention.js';
import { MATRIX_CONFIGS, MATRIX_FEATURE } from '../dist/gpu/wgsl/subgroup-matrix.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    heads: { type: 'string' }, rows: { type: 'string' }, seconds: { type: 'string', default: '60' }, json: { type: 'string' },
    software: { type: 'boolean', default: false },
  },
});
const HEADS = (flags.heads ?? (flags.software ? '2x24' : '16x64,16x72')).split(',').map((text) => text.split('x').map(Number));
const ROWS = (flags.rows ?? (flags.software ? '37' : '1024,4096,12288')).split(',').map(Number);
const MOST_PLAIN = 4096;
const WRONG = 4e-3;
const RUNS = flags.software ? 1 : 5;
const begun = performance.now();
const seconds = () => (performance.now() - begun) / 1000;

const found = await findAdapter(flags.software ? 'software' : 'hardware');
if (found.adapter === undefined) throw new Error(found.problem);
const gpu = await openGpuDevice(found.adapter, { required: flags.software ? [] : [MATRIX_FEATURE] });
const { device } = gpu;
const pipelines = createPipelines(gpu);
const matrix = flags.software ? { ...MATRIX_CONFIGS.nvidia, emulated: true } : MATRIX_CONFIGS.nvidia;
console.log(`${gpu.name}, ${found.description}`);

let state = 1;
const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31) - 1;
const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
const made = [];
function buffer(data, size = data.byteLength, kind = usage) {
  const own = gpu.createBuffer({ label: 'bench', size: Math.max(16, size), usage: kind });
  if (data) device.queue.writeBuffer(own, 0, data);
  made.push(own);
  return own;
}
const uniform = (count) => buffer(Uint32Array.of(count), 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);

async function bound(kernel, workgroups, buffers) {
  const problems = kernelProblems(kernel, gpu);
  if (problems.length > 0) return undefined;
  const { pipeline, layout } = await pipelines.get(kernel);
  const entries = kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: buffers[name] } }));
  return { pipeline, group: device.createBindGroup({ layout, entries }), workgroups };
}

function encoded(dispatches, times) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let n = 0; n < times; n++) for (const { pipeline, group, workgroups } of dispatches) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
  return encoder.finish();
}

async function once(dispatches, times) {
  const commands = encoded(dispatches, times);
  const from = performance.now();
  device.queue.submit([commands]);
  await device.queue.onSubmittedWorkDone();
  return (performance.now() - from) * 1000;
}

/** Microseconds of one pass: runs of 20 ms or more, so that waiting for the end is a small part. */
async function timed(dispatches) {
  await once(dispatches, 1);
  const times = flags.software ? 1 : Math.max(1, Math.min(400, Math.ceil(20_000 / (await once(dispatches, 2) / 2))));
  const figures = [];
  for (let run = 0; run < RUNS; run++) figures.push(await once(dispatches, times) / times);
  return summarise(figures).median;
}

async function read(source) {
  const staging = device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}

const TILES = flags.software
  ? [{ tileRows: 16, tileKeys: 32, valueParts: 1 }]
  : [[32, 16], [64, 16], [32, 32], [64, 32], [64, 64], [128, 32], [128, 64], [256, 32]].map(([tileRows, tileKeys]) =>
    ({ tileRows, tileKeys, valueParts: 1 }));

async function measure([heads, dim], rows) {
  const count = rows * heads * dim;
  const fill = (most) => Float32Array.from({ length: count }, () => random() * most);
  const shape = {
    heads, kvHeads: heads, keyDim: dim, valueDim: dim, scale: dim ** -0.5, kv: 'f16', dense: true, pageTokens: 0, maxPages: 0,
    input: 'separate', q: { rotaryDim: 0 }, k: { rotaryDim: 0 }, output: 'f32', causal: false,
  };
  const size = uniform(rows);
  const buffers = {
    q: buffer(fill(3)), k: buffer(fill(3)), v: buffer(fill(1)), y: buffer(undefined, 4 * count),
    kv: buffer(undefined, matrixKeysBytes(shape, rows)),
    step: size, keys: size,
  };
  const products = 2 * rows * rows * heads * dim;
  const name = `${heads} heads of ${dim}, ${rows} rows`;
  const record = (variant, us, most) => {
    const line = { bench: 'full-attention', device: gpu.name, name, variant, us, most };
    if (flags.json) appendFileSync(flags.json, `${JSON.stringify(line)}\n`);
    return `${variant} ${us.toFixed(0)} us (${(products / us / 1e6).toFixed(1)} TMAC/s)`;
  };
  let want;
  if (rows <= MOST_PLAIN) {
    const variant = { heads, kvHeads: heads, keyDim: dim, valueDim: dim, scale: shape.scale, invocations: 64 };
    const us = await timed([await bound(fullAttentionKernel(variant), fullAttentionWorkgroups(variant, rows), buffers)]);
    want = await read(buffers.y);
    console.log(`${name}: ${record('without matrices', us)}`);
  }
  const keys = await bound(matrixKeysKernel(shape), matrixKeysWorkgroups(shape, rows), buffers);
  console.log(`${name}: ${record('keys as halves', await timed([keys]))}`);
  for (const tile of TILES) {
    const variant = { shape, matrix, tileHeads: 1, ...tile };
    const attend = await bound(attentionMatrixKernel(variant), denseAttentionWorkgroups(variant, rows), buffers);
    const called = `${tile.tileRows}x${tile.tileKeys}`;
    if (attend === undefined) {
      console.log(`${name}: ${called} does not fit the device`);
      continue;
    }
    device.queue.writeBuffer(buffers.y, 0, new Uint8Array(buffers.y.size));
    const us = await timed([keys, attend]);
    const got = await read(buffers.y);
    want ??= got;
    const most = want.reduce((largest, value, i) => (Math.abs(got[i] - value) <= largest ? largest : Math.abs(got[i] - value)), 0);
    console.log(`${name}: ${record(called, us, most)}, differs by ${most.toExponential(1)}${most <= WRONG ? '' : ' WRONG'}`);
  }
  for (const each of made.splice(0)) each.destroy();
}

for (const heads of HEADS)
  for (const rows of ROWS) {
    if (seconds() > Number(flags.seconds)) console.log(`left out: ${heads.join('x')}, ${rows} rows`);
    else await measure(heads, rows);
  }
console.log(`${seconds().toFixed(1)} s`);
gpu.destroy();
