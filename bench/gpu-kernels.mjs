/**
 * Speed of the GEMV kernels on a GPU, in chains as a token runs them: each product over all layers' own weights, and the whole token. With
 * int8 activations; types of floats with f32 ones.
 * Usage: node bench/gpu-kernels.mjs [--models qwen3-0.6b,qwen3-4b,llama-3.2-3b] [--weights TYPE,...|q4_k_m|forms]
 *   [--variants base|some|all]
 *   [--products qkv,o,gate+up,down,head] [--batch 1|2|4|8] [--quick] [--tiny] [--no-subgroups] [--out FILE.jsonl]
 * `--weights forms`: a type for each packed form, `node bench/gpu-kernels.mjs --models qwen3-4b --weights forms --quick`.
 * Needs dist/ (npm run build) and the package webgpu, nothing else. --tiny also runs on a software adapter; --quick is base variants, fewer
 * runs. A figure is the median of 10 runs, each the wall time of several tokens, one submit a token, encoded before the clock starts, until
 * the queue is empty. Weights are random bits; no attention, no sampling.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { createPipelines, kernelProblems } from '../dist/gpu/device/pipeline-cache.js';
import { gemvFloatKernel, gemvFloatWorkgroups } from '../dist/gpu/kernels/gemv-float/gemv-float.js';
import { gemvInt8Kernel, gemvInt8Workgroups } from '../dist/gpu/kernels/gemv-int8/gemv-int8.js';
import { totalRows } from '../dist/gpu/linear-shape.js';
import { representativeTypes } from '../dist/gpu/packed-forms.js';
import { isQuantized, WEIGHT_TYPES } from '../dist/tensor/tensor-type.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { bindProduct, createActivations, createFiller, MODELS, productsOf, weightBytes } from './gpu-chain.mjs';
import { describeCommit, repoRoot, summarise } from './measurement.mjs';

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'qwen3-0.6b,qwen3-4b,llama-3.2-3b' },
    weights: { type: 'string', default: 'q4_0' },
    variants: { type: 'string' },
    products: { type: 'string' },
    batch: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
    'no-subgroups': { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const batch = Number(options.batch);
const runs = options.quick || options.tiny ? 3 : 10;
const wanted = options.variants ?? (options.quick ? 'base' : 'some');
/** A run shorter than this is mostly the wait for its end. */
const LEAST_RUN_MS = options.tiny ? 1 : 6;

const found = await findAdapter('hardware');
const { adapter, problem } = found.adapter || !options.tiny ? found : await findAdapter('software');
if (adapter === undefined) throw new Error(problem);
const gpu = await openGpuDevice(adapter);
const common = {
  bench: 'gpu-kernels', device: gpu.name, driver: adapter.info.description,
  // A lent machine has the tree and no repository.
  commit: existsSync(join(repoRoot, '.git')) ? describeCommit() : undefined,
  batch,
};
console.log(
  `${gpu.name}: ${adapter.info.description}; subgroups of ${gpu.subgroupSize}, ${gpu.limits.invocations} invocations, ` +
    `${gpu.limits.storageBuffers} storage buffers`,
);
for (const name of options.tiny ? ['tiny'] : options.models.split(',')) {
  for (const weights of typesOf(options.weights)) await measureModel(name, weights);
}
gpu.destroy();

function typesOf(weights) {
  if (weights !== 'forms') return weights.split(',');
  // Two types may share a form and differ in how their loads lie.
  return [...representativeTypes(WEIGHT_TYPES.filter(isQuantized)), 'iq4_nl'];
}

async function measureModel(name, weights) {
  const pipelines = createPipelines(gpu);
  const filler = await createFiller(gpu, pipelines);
  const all = productsOf(MODELS[name], weights);
  const products = options.products ? all.filter((product) => options.products.split(',').includes(product.name)) : all;
  const activations = createActivations(filler, all, batch);
  gpu.queue.writeBuffer(activations.step, 0, Uint32Array.of(batch, batch, 0, 0));
  const began = performance.now();
  const choices = await Promise.all(products.map((product) => compileChoices(product, pipelines)));
  const compileMs = performance.now() - began;
  const instances = products.map((product) => product.shapes.map((shape) => ({
    shape, bound: bindProduct(filler, activations, product, shape), groups: new Map(),
  })));
  await gpu.queue.onSubmittedWorkDone();
  console.log(
    `\n${name} ${weights} x${batch}: ${choices.reduce((sum, list) => sum + list.length, 0)} variants compiled in ` +
      `${compileMs.toFixed(0)} ms`,
  );
  const base = [];
  const best = [];
  for (const [at, product] of products.entries()) {
    let fastest;
    for (const [index, choice] of choices[at].entries()) {
      const chain = instances[at].map((instance) => dispatchOf(instance, choice));
      const { median, min, max } = summarise(await timeChain(chain));
      if (index === 0) base.push(chain);
      if (fastest === undefined || median < fastest.median) fastest = { median, chain, knobs: choice.name };
      report({
        model: name, weights, product: product.name, shapes: product.shapes, knobs: choice.name,
        tokenMs: { median, min, max }, dispatches: chain.length,
      });
    }
    best.push(fastest);
  }
  if (products.length === all.length) {
    const token = (chains) => [
      ...Array.from({ length: MODELS[name].layers }, (_, layer) => chains.slice(0, 4).map((chain) => chain[layer])).flat(),
      chains[4][0],
    ];
    const shapes = all.flatMap((product) => product.shapes);
    const whole = async (knobs, chains) => report({
      model: name, weights, product: 'token', shapes, knobs, tokenMs: summarise(await timeChain(token(chains))),
      dispatches: shapes.length,
    });
    await whole('base', base);
    if (wanted !== 'base') await whole(`best: ${best.map(({ knobs }) => knobs).join(' | ')}`, best.map(({ chain }) => chain));
    await checkFinite(activations.hidden);
  }
  filler.destroy();
}

/** Variants that the device can run, compiled, the base first; each has a pipeline for every shape among the layers. */
async function compileChoices({ shapes }, pipelines) {
  const choices = [];
  const isFloat = shapes[0].input === 'f32';
  for (const knobs of isFloat ? floatKnobs() : knobsOf(shapes[0])) {
    const variants = new Map(shapes.map((shape) => [JSON.stringify(shape.parts), { shape, batch, ...knobs }]));
    const kernels = [...variants].map(([parts, variant]) => ({
      parts, kernel: isFloat ? gemvFloatKernel(variant) : gemvInt8Kernel(variant),
      workgroups: isFloat ? gemvFloatWorkgroups(variant, batch) : gemvInt8Workgroups(variant, batch),
    }));
    const problems = kernels.flatMap(({ kernel }) => kernelProblems(kernel, gpu));
    if (problems.length > 0) console.log(`left out ${nameOf(knobs)}: ${problems[0]}`);
    else choices.push({ name: nameOf(knobs), kernels });
  }
  return Promise.all(choices.map(async ({ name, kernels }) => {
    const compiled = await Promise.all(kernels.map(async ({ parts, workgroups, kernel }) => [
      parts, { workgroups, ...(await pipelines.get(kernel)) },
    ]));
    return { name, byParts: new Map(compiled) };
  }));
}

function nameOf({ rowsPerWorkgroup, subgroupsPerRow, rowsPerSubgroup, unroll, rowsPerTeam, teams }) {
  if (teams !== undefined) return `f32, ${teams} teams of ${rowsPerTeam} rows`;
  return `rows ${rowsPerWorkgroup}, split ${subgroupsPerRow}, each ${rowsPerSubgroup}, unroll ${unroll}`;
}

/** As {@link knobsOf}, of the float GEMV. */
function floatKnobs() {
  const lanes = options['no-subgroups'] ? undefined : gpu.subgroupSize;
  const form = { arithmetic: 'half', reduction: lanes === undefined ? 'none' : 'subgroup', lanes: lanes ?? 1 };
  if (lanes === undefined) return [{ ...form, rowsPerTeam: 1, teams: 64 }];
  const list = [[2, 4], [1, 4], [4, 4], [1, 8], [2, 8]].map(([rowsPerTeam, teams]) => ({ ...form, rowsPerTeam, teams }));
  return wanted === 'base' ? list.slice(0, 1) : list;
}

/** `base`: the first; `some`: each knob by itself and the pairs that may pay; `all`: everything that fits. */
function knobsOf(shape) {
  const subgroupSize = options['no-subgroups'] ? undefined : gpu.subgroupSize;
  if (subgroupSize === undefined) return [{ subgroupSize, rowsPerWorkgroup: 64, subgroupsPerRow: 1, rowsPerSubgroup: 1, unroll: 1 }];
  const least = shape.gated ? 32 : shape.outputs.q8 ? 16 : 8;
  const rowChoices = shape.gated || shape.outputs.q8 ? [least, 2 * least] : [8, 4, 16, 32];
  const list = [];
  for (const rowsPerWorkgroup of rowChoices) {
    for (const subgroupsPerRow of [1, 2, 4]) {
      for (const rowsPerSubgroup of [1, 2, 4]) {
        const turns = Math.ceil(shape.cols / 32 / (subgroupSize * subgroupsPerRow));
        for (const unroll of new Set([4, 2, 1, 8].map((most) => Math.min(most, turns)))) {
          const invocations = (rowsPerWorkgroup / rowsPerSubgroup) * subgroupsPerRow * subgroupSize;
          const changes = [
            rowsPerWorkgroup !== least, subgroupsPerRow > 1, rowsPerSubgroup > 1, unroll !== Math.min(4, turns),
          ].filter(Boolean).length;
          if (invocations > gpu.limits.invocations || invocations < 2 * subgroupSize) continue;
          const isPair = changes === 2 && unroll === Math.min(4, turns) && rowsPerSubgroup < 4 && subgroupsPerRow < 4;
          if (wanted === 'all' || changes < 2 || isPair) list.push({
            subgroupSize, rowsPerWorkgroup, subgroupsPerRow, rowsPerSubgroup, unroll,
          });
        }
      }
    }
  }
  return wanted === 'base' ? list.slice(0, 1) : list;
}

/** What a pass needs for one layer's product. Bind groups are made once a layout. */
function dispatchOf(instance, { byParts }) {
  const { workgroups, kernel, pipeline, layout } = byParts.get(JSON.stringify(instance.shape.parts));
  let group = instance.groups.get(layout);
  if (group === undefined) {
    group = gpu.device.createBindGroup({
      layout, entries: kernel.bindings.map(({ name }, binding) => ({ binding, resource: instance.bound[name] })),
    });
    instance.groups.set(layout, group);
  }
  return { pipeline, group, workgroups };
}

function encode(chain) {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const { pipeline, group, workgroups } of chain) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
  return encoder.finish();
}

async function runTokens(chain, tokens) {
  const buffers = Array.from({ length: tokens }, () => encode(chain));
  const began = performance.now();
  for (const buffer of buffers) gpu.queue.submit([buffer]);
  await gpu.pending(gpu.queue.onSubmittedWorkDone());
  return (performance.now() - began) / tokens;
}

/** Milliseconds a token, of each run; the first ones warm up and say how many tokens a run needs. */
async function timeChain(chain) {
  await runTokens(chain, 1);
  const estimate = await runTokens(chain, 4);
  const tokens = Math.min(200, Math.max(2, Math.ceil(LEAST_RUN_MS / estimate)));
  const figures = [];
  for (let run = 0; run < runs; run++) figures.push(await runTokens(chain, tokens));
  return figures;
}

function report({ shapes, tokenMs, dispatches, ...rest }) {
  const bytes = shapes.reduce((sum, shape) => sum + weightBytes(shape), 0);
  const us = Object.fromEntries(Object.entries(tokenMs).map(([name, ms]) => [name, Number(((1000 * ms) / dispatches).toFixed(3))]));
  const gbPerSecond = Number((bytes / tokenMs.median / 1e6).toFixed(1));
  const size = rest.product === 'token' ? `${(1000 / tokenMs.median).toFixed(0)} tok/s` : `[${totalRows(shapes[0])}, ${shapes[0].cols}]`;
  console.log(
    `${rest.product.padEnd(8)} ${size.padEnd(16)} ${us.median.toFixed(2).padStart(8)} us  ${gbPerSecond.toFixed(0).padStart(5)} GB/s  ` +
      `${rest.knobs}`,
  );
  const line = JSON.stringify({
    time: new Date().toISOString(), ...common, ...rest, rows: totalRows(shapes[0]), cols: shapes[0].cols, dispatches,
    weightBytes: bytes, tokenMs, usPerDispatch: us, gbPerSecond,
  });
  if (options.out) appendFileSync(options.out, `${line}\n`);
  else console.log(line);
}

/** Figures of kernels that computed nonsense would mean nothing. */
async function checkFinite(buffer) {
  const staging = gpu.createBuffer({ label: 'check', size: 1024, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, 1024);
  gpu.queue.submit([encoder.finish()]);
  await gpu.pending(staging.mapAsync(GPUMapMode.READ));
  const values = [...new Float32Array(staging.getMappedRange())];
  staging.destroy();
  if (!values.every(Number.isFinite) || new Set(values).size < 10)
    throw new Error(`the hidden state is ${values.slice(0, 4).join(', ')}...: the kernels did not compute`);
}
