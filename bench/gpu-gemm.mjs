// The prefill GEMM (src/gpu/kernels/gemm) alone: products of real models at 512 rows, over tilings. Needs only dist/ and the GPU.
//   node bench/gpu-gemm.mjs [--models qwen3-0.6b,qwen3-4b] [--types q4_0,q4_k] [--products down,o]
//     [--tilings 64x64x32r4,...] [--arithmetic int8]
//     [--rows 512] [--seconds 55] [--json FILE] [--safe] [--tiny]
// A tiling is tileRows x tileCols x tileDepth r rowsPerInvocation. --tiny: small shapes on the software adapter.
// Prints milliseconds, multiply-adds per second and compile times; then for each model what the fastest single tiling makes of a prefill's
// products; a JSON line per measurement goes to FILE. Results of tilings are compared with each other: `WRONG` where they differ.
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { createPipelines, kernelProblems } from '../dist/gpu/device/pipeline-cache.js';
import { gemmKernel, gemmWorkgroups } from '../dist/gpu/kernels/gemm/gemm.js';
import { outputWidth, totalRows } from '../dist/gpu/linear-shape.js';
import { layOutMatrix, packedFormatOf } from '../dist/gpu/packed-layout.js';
import { q8CodeBytes, q8StatBytes } from '../dist/gpu/q8-layout.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { createFiller, fillOf, MODELS, productsOf } from './gpu-chain.mjs';
import { summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    models: {
      type: 'string', default: 'qwen3-0.6b,qwen3-4b',
    }, types: { type: 'string', default: 'q4_0,q4_k' }, products: { type: 'string', default: 'qkv,o,gate+up,down' },
    tilings: { type: 'string' }, arithmetic: { type: 'string', default: 'int8,f32' }, rows: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '55' }, json: { type: 'string' }, safe: {
      type: 'boolean', default: false,
    }, tiny: { type: 'boolean', default: false },
  },
});

const TILINGS = {
  int8: [
    '64x64x32r4', '64x64x64r4', '64x64x32r8', '128x64x32r8', '128x64x64r8', '64x128x32r4', '64x128x32r8',
    '128x128x32r8', '128x128x64r8', '32x64x32r4', '32x64x64r4', '32x128x32r4',
  ],
  f32: ['64x64x16r4', '64x64x32r4', '128x64x16r8', '64x128x16r8', '128x128x16r8'],
};
const TINY_TILINGS = { int8: ['16x64x32r4', '16x32x32r4'], f32: ['16x64x16r4', '16x32x16r4'] };
const REPEAT_MS = flags.tiny ? 0 : 12;
const xRows = flags.tiny ? 70 : Number(flags.rows);
const RUNS = flags.tiny ? 1 : 3;
const started = performance.now();
const secondsLeft = () => Number(flags.seconds) - (performance.now() - started) / 1000;

/** As the planner gives a product's shape to the kernel: f32 arithmetic has the norm as a prologue and rounds nothing. */
function shapeFor(shape, arithmetic) {
  if (arithmetic === 'int8') return shape;
  return { ...shape, input: 'f32', norm: shape.input === 'q8n' ? { eps: 1e-6 } : undefined, outputs: { f32: true, q8: undefined } };
}

function parseTiling(text, arithmetic) {
  const match = /^(\d+)x(\d+)x(\d+)r(\d+)$/.exec(text);
  if (match === null) throw new Error(`a tiling looks like 64x64x32r4, not ${text}`);
  const [tileRows, tileCols, tileDepth, rowsPerInvocation] = match.slice(1).map(Number);
  return { arithmetic, tileRows, tileCols, tileDepth, rowsPerInvocation };
}

const found = await findAdapter(flags.tiny ? 'software' : 'hardware', { toggles: flags.safe ? 'safe' : 'fast' });
if (found.problem) throw new Error(found.problem);
const gpu = await openGpuDevice(found.adapter);
const { device, queue } = gpu;
const pipelines = createPipelines(gpu);
console.log(`${gpu.name}; ${xRows} rows; toggles ${flags.safe ? 'safe' : 'fast'}`);

async function compile(kernel) {
  const begin = performance.now();
  return { ...(await pipelines.get(kernel)), ms: performance.now() - begin };
}

function dispatch(pipeline, group, workgroups, times) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...workgroups);
  pass.end();
  queue.submit([encoder.finish()]);
}

/** Everything that a product of any arithmetic may bind, by name. */
function bindingsOf(filler, shape, rows) {
  const width = outputWidth(shape);
  const bound = {};
  shape.parts.forEach(({ type, rows: weightRows }, n) => {
    const { planes, sizeBytes } = layOutMatrix(packedFormatOf(type), weightRows, shape.cols);
    const buffer = filler.filled(
      `part ${n}`, sizeBytes,
      planes.map((plane) => ({ ...plane, fill: fillOf(packedFormatOf(type), plane) })),
    );
    for (const { name, offset, sizeBytes: size } of planes) bound[`p${n}_${name}`] = { buffer, offset, size };
  });
  const sizes = {
    x: ['floats', rows * shape.cols * 4], xCodes: ['codes', q8CodeBytes(rows, shape.cols)], xStats: [
      'floats', q8StatBytes(rows, shape.cols),
    ], gain: ['floats', shape.cols * 4],
    residual: ['floats', rows * width * 4], yGain: ['floats', width * 4], y: ['floats', rows * width * 4], yCodes: [
      'codes', q8CodeBytes(rows, width),
    ], yStats: ['floats', q8StatBytes(rows, width)],
  };
  for (const [name, [fill, size]] of Object.entries(sizes)) {
    const sizeBytes = Math.ceil(size / 16) * 16;
    bound[name] = { buffer: filler.filled(name, sizeBytes, [{ offset: 0, sizeBytes, fill }]) };
  }
  bound.step = { buffer: filler.create('step', 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST) };
  queue.writeBuffer(bound.step.buffer, 0, Uint32Array.of(rows, rows, 0, 0));
  return bound;
}

/** Some floats of the result, from its end, where tiles end too. */
async function sample(shape, bound) {
  const { buffer } = shape.outputs.f32 ? bound.y : bound.yStats;
  const size = Math.min(buffer.size, 65536);
  const staging = gpu.createBuffer({ label: 'sample', size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, buffer.size - size, staging, 0, size);
  queue.submit([encoder.finish()]);
  await gpu.pending(staging.mapAsync(GPUMapMode.READ));
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
    await gpu.pending(queue.onSubmittedWorkDone());
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
    .filter(({ kernel }) => kernelProblems(kernel, gpu).length === 0);
  const compiled = await Promise.all(variants.map(({ kernel }) => compile(kernel)));
  const filler = await createFiller(gpu, pipelines);
  const bound = bindingsOf(filler, shape, rows);
  const measured = [];
  let reference;
  for (const [i, { tiling, variant, kernel }] of variants.entries()) {
    const { pipeline, layout, ms: compileMs } = compiled[i];
    const group = device.createBindGroup({
      layout, entries: kernel.bindings.map(({ name }, binding) => ({ binding, resource: bound[name] })),
    });
    const workgroups = gemmWorkgroups(variant, rows);
    const { median, min, max } = await timeOf((times) => dispatch(pipeline, group, workgroups, times));
    const values = await sample(shape, bound);
    reference ??= values;
    const apart = difference(values, reference);
    const teraPerSecond = (totalRows(shape) * shape.cols * rows) / median / 1e9;
    const isWrong = !(apart < (shape.outputs.f32 ? 1e-4 : 1e-2));
    console.log(
      `${model} ${type} ${arithmetic} ${product.padEnd(7)} ${tiling.padEnd(12)} ${median.toFixed(3)} ms  ${teraPerSecond.toFixed(2)} ` +
        `TMAC/s  ${workgroups[0] * workgroups[1]} x ${kernel.workgroupSize}  ${(kernel.workgroupBytes / 1024).toFixed(1)} KiB  compiled ` +
        `${compileMs.toFixed(0)} ms${isWrong ? `  WRONG by ${apart}` : ''}`,
    );
    const record = {
      bench: 'gpu-gemm', device: gpu.name, model, type, arithmetic, product, tiling, rows, cols: shape.cols,
      weightRows: totalRows(shape), ms: { median, min, max }, teraMultiplyAdds: teraPerSecond, compileMs, isWrong,
    };
    if (flags.json) appendFileSync(flags.json, `${JSON.stringify(record)}\n`);
    measured.push({ product, tiling, ms: median, isWrong });
  }
  filler.destroy();
  return measured;
}

/** What one tiling for all products, and the best for each, make of all layers. */
function summary(name, layers, rows, measured) {
  const names = [...new Set(measured.map(({ product }) => product))];
  const of = (product) => measured.filter((entry) => entry.product === product && !entry.isWrong);
  const total = (pick) => names.reduce((sum, product) => sum + (pick(of(product))?.ms ?? Infinity), 0) * layers;
  const line = (label, ms) =>
    console.log(
      `  ${name} ${label}: ${ms.toFixed(2)} ms for ${layers} layers, ${Math.round((rows / ms) * 1000)} tok/s by the products alone`,
    );
  const tilings = [...new Set(measured.map(({ tiling }) => tiling))];
  const best = tilings.map((tiling) => ({
    tiling, ms: total((entries) => entries.find((entry) => entry.tiling === tiling)),
  })).toSorted((a, b) => a.ms - b.ms);
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
      for (const { name: product, shapes: [shape] } of productsOf(MODELS[model], type)) {
        if (!wantedProducts.includes(product)) continue;
        if (secondsLeft() < 4) console.log(`${model} ${type} ${arithmetic} ${product}: left out, ${flags.seconds} s are over`);
        else measured.push(...(await measureProduct(
          { model, type, arithmetic, product, shape: shapeFor(shape, arithmetic), rows: xRows }, tilings,
        )));
      }
      if (measured.length > 0) summary(`${model} ${type} ${arithmetic}`, MODELS[model].layers, xRows, measured);
    }
  }
}
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
gpu.destroy();
