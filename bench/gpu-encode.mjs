/**
 * What encoding a decoded token, or one of each of several sequences, costs the host, on Dawn's null backend, which runs nothing: no GPU
 * is needed. Usage: node bench/gpu-encode.mjs [--model gemma-3-1b] [--profile amd] [--keys 128] [--rows 1] [--toggles skip_validation]
 *   [--knobs '{"groups":{"bytes":0}}']: changes to the profile
 * Times are of this process's processor, which a busy machine still tells.
 */
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';
import { kvLayoutOf } from '../dist/engine/model-room.js';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { modeOf } from '../dist/gpu/plan/kernel-use.js';
import { planModel } from '../dist/gpu/plan/model-plan.js';
import { PROFILES } from '../dist/gpu/profile/profiles.js';
import { createActivations } from '../dist/gpu/program/activations.js';
import { sharesGroups } from '../dist/gpu/plan/group-choice.js';
import { bindPlan, encodeDispatches } from '../dist/gpu/program/bound-plan.js';
import { createSharedSteps, SHARED_MODES } from '../dist/gpu/program/shared-steps.js';
import { sizesOf } from '../dist/graph/dims.js';
import { tensorTypes } from '../dist/models/gguf-mixes.js';
import { ARCHITECTURES } from '../dist/models/open-decoder.js';
import { synthPlan } from '../dist/models/synth-shapes.js';
import { summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'gemma-3-1b' },
    profile: { type: 'string', default: 'amd' },
    keys: { type: 'string', default: '128' },
    rows: { type: 'string', default: '1' },
    toggles: { type: 'string' },
    knobs: { type: 'string', default: '{}' },
  },
});
/** Storage buffers that the null adapter has for a stage; other devices have more. */
const STAGE_BUFFERS = 8;
Object.assign(globalThis, globals);
// Kept for the life of the process: Dawn aborts when it is collected.
globalThis.nullGpu = create([
  'backend=null', `enable-dawn-features=${['allow_unsafe_apis', ...(flags.toggles?.split(',') ?? [])].join()}`,
]);
const gpu = await openGpuDevice(await globalThis.nullGpu.requestAdapter());
const rows = Number(flags.rows);
const counts = { sizes: { rows, outRows: rows }, tiles: 0, singles: rows, keys: Number(flags.keys) };
const dispatches = await boundToken();
for (let i = 0; i < 50; i++) await token();
const runs = [];
for (let i = 0; i < 15; i++) runs.push(await several());
const us = summarise(runs);
const groups = new Set(dispatches.map(({ group }) => group)).size;
console.log(`${flags.model}, ${rows} rows: ${dispatches.length} dispatches, ${groups} groups, ` +
  `encode and submit ${us.median.toFixed(0)} us, ${(us.median / dispatches.length).toFixed(2)} a dispatch (least ${us.min.toFixed(0)})`);
gpu.destroy();

/** The dispatches of a step of one row, over buffers of nothing. */
async function boundToken() {
  const { config } = synthPlan(flags.model, 'q4_0');
  const architecture = ARCHITECTURES.find(({ gguf }) => gguf === config.architecture);
  const weights = architecture.weights(config);
  const chosen = tensorTypes(weights.map(({ id, shape }) => ({ name: id, weights: [id], shape })), 'q4_0', config);
  const types = new Map(weights.map(({ id }, i) => [id, chosen[i]]));
  const plan = planModel({
    model: architecture.graphs(config, { contextLength: 4096, constants: new Map() }),
    typeOf: (id) => types.get(id), profile: profileWith(JSON.parse(flags.knobs)),
    kv: kvLayoutOf(4096, { type: 'f16' }), sizes: { rows: Math.max(1, rows) },
  });
  const steps = rows === 1 ? plan.decoder.one : plan.decoder.many;
  const resolve = resolver(steps, sizesOf(plan.decoder.graph.derivedDims, counts.sizes));
  const pipelines = standIns();
  const { storageBuffers, knobs } = plan.options.profile;
  const mode = modeOf(counts, flags.keys >= knobs.attention.splitFrom ? 'split' : 'whole');
  const bound = bindPlan(steps, { gpu, pipelines, resolve });
  await bound.prepare(mode, counts);
  if (rows !== 1 || !sharesGroups(plan)) return bound.dispatches(mode, counts);
  const usesOf = (attention) => bound.bindings(modeOf(counts, attention), counts);
  const { inputs, outputs } = plan.decoder.graph;
  const held = new Set([...inputs.values(), ...outputs.values()].map(({ id }) => id));
  const own = { device: gpu.device, createBuffer: (options) => gpu.createBuffer(options), limits: { ...gpu.limits, storageBuffers } };
  return createSharedSteps({ gpu: own, pipelines, usesOf, planned: SHARED_MODES.map(usesOf), held }).dispatches(mode.attention);
}

function profileWith(changes) {
  const profile = PROFILES[flags.profile];
  const knobs = { ...profile.knobs };
  for (const [family, own] of Object.entries(changes)) knobs[family] = { ...knobs[family], ...own };
  return { ...profile, knobs };
}

/** Buffers as a program shares them: all matrices in one, all vectors in one, a value's parts in that of its slot. */
function resolver({ plan }, sizes) {
  const activations = createActivations({ gpu, plan, sizes, shared: new Map() });
  const weights = Object.fromEntries(['plane', 'vector'].map((kind) =>
    [kind, gpu.device.createBuffer({ size: 2 ** 20, usage: GPUBufferUsage.STORAGE })]));
  const buffers = new Map();
  let bound = 0;
  return (ref) => {
    if (ref.kind === 'value') return activations.bindingOf(ref.value, ref.part);
    if (ref.kind in weights) return { buffer: weights[ref.kind], offset: 256 * (bound++ % 4096), size: 256 };
    const key = JSON.stringify(ref);
    if (!buffers.has(key)) {
      const usage = ref.kind === 'size' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
      buffers.set(key, gpu.device.createBuffer({ size: 4096, usage }));
    }
    return { buffer: buffers.get(key) };
  };
}

/**
 * A pipeline for each kernel with its bindings and an empty text: what is encoded is the same, and the null adapter, which lacks much, need
 * not take the kernels. Bindings beyond a stage's are another stage's.
 */
function standIns() {
  const made = new Map();
  const module = gpu.device.createShaderModule({ code: '@compute @workgroup_size(1) fn main() {}' });
  const types = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' };
  const ready = (kernel) => {
    if (!made.has(kernel.key)) {
      const entries = kernel.bindings.map(({ access }, binding) => ({
        binding, visibility: binding < STAGE_BUFFERS ? GPUShaderStage.COMPUTE : GPUShaderStage.FRAGMENT, buffer: { type: types[access] },
      }));
      const layout = gpu.device.createBindGroupLayout({ entries });
      const whole = gpu.device.createPipelineLayout({ bindGroupLayouts: [layout] });
      const pipeline = gpu.device.createComputePipeline({ layout: whole, compute: { module, entryPoint: 'main' } });
      made.set(kernel.key, { kernel, pipeline, layout });
    }
    return made.get(kernel.key);
  };
  return { ready, get: async (kernel) => ready(kernel), readyCount: 0 };
}

/** Microseconds of this process's processor for one of several steps. */
async function several() {
  const times = 20;
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) await token();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

async function token() {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encodeDispatches(pass, dispatches);
  pass.end();
  gpu.queue.submit([encoder.finish()]);
  await gpu.queue.onSubmittedWorkDone();
}
