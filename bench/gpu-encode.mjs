/**
 * What encoding a decoded token costs the host, on Dawn's null backend, which runs nothing: no GPU is needed.
 * Usage: node bench/gpu-encode.mjs [--model gemma-3-1b] [--profile amd] [--keys 128]
 */
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';
import { kvLayoutOf } from '../dist/engine/model-room.js';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { createPipelines } from '../dist/gpu/device/pipeline-cache.js';
import { modeOf } from '../dist/gpu/plan/kernel-use.js';
import { planModel } from '../dist/gpu/plan/model-plan.js';
import { withLimits } from '../dist/gpu/profile/profile-for.js';
import { PROFILES } from '../dist/gpu/profile/profiles.js';
import { bindPlan, compileKernels, encodeDispatches } from '../dist/gpu/program/bound-plan.js';
import { tensorTypes } from '../dist/models/gguf-mixes.js';
import { ARCHITECTURES } from '../dist/models/open-decoder.js';
import { synthPlan } from '../dist/models/synth-shapes.js';
import { summarise } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'gemma-3-1b' },
    profile: { type: 'string', default: 'amd' },
    keys: { type: 'string', default: '128' },
  },
});
/** What the null adapter has: some steps are cut that are whole on a GPU. */
const NULL_LIMITS = { storageBuffers: 8, workgroupBytes: 16384, invocations: 256, bindingBytes: 2 ** 31 - 4, bufferBytes: 2 ** 40 };
Object.assign(globalThis, globals);
// Kept for the life of the process: Dawn aborts when it is collected.
globalThis.nullGpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const gpu = await openGpuDevice(await globalThis.nullGpu.requestAdapter());
const dispatches = await boundToken();
const counts = { sizes: { rows: 1, outRows: 1 }, tiles: 0, keys: Number(flags.keys) };
const runs = [];
for (let i = 0; i < 300; i++) runs.push(await token());
const [encode, submit] = ['encode', 'submit'].map((part) => summarise(runs.slice(100).map((run) => run[part])));
const each = (us) => `${us.median.toFixed(0)} us, ${(us.median / dispatches.length).toFixed(2)} a dispatch (least ${us.min.toFixed(0)})`;
console.log(`${flags.model}, ${dispatches.length} dispatches: encode ${each(encode)}; submit ${each(submit)}`);
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
    typeOf: (id) => types.get(id), profile: withLimits(PROFILES[flags.profile], NULL_LIMITS),
    kv: kvLayoutOf(4096, { type: 'f16' }), sizes: { rows: 1 },
  });
  const { one } = plan.decoder;
  const buffers = new Map();
  const resolve = (ref) => {
    const key = JSON.stringify({ ...ref, value: ref.value?.id });
    if (!buffers.has(key)) {
      const usage = ref.kind === 'size' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
      buffers.set(key, gpu.device.createBuffer({ size: 4096, usage }));
    }
    return { buffer: buffers.get(key) };
  };
  const pipelines = createPipelines(gpu);
  await compileKernels(pipelines, one.kernels);
  const mode = modeOf({ sizes: { rows: 1, outRows: 1 } }, flags.keys >= plan.options.profile.knobs.attention.splitFrom ? 'split' : 'whole');
  return bindPlan(one, { gpu, pipelines, resolve }).dispatches(mode);
}

async function token() {
  const start = performance.now();
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encodeDispatches(pass, dispatches, counts);
  pass.end();
  const commands = encoder.finish();
  const middle = performance.now();
  gpu.queue.submit([commands]);
  const end = performance.now();
  await gpu.queue.onSubmittedWorkDone();
  return { encode: (middle - start) * 1000, submit: (end - middle) * 1000 };
}
