/**
 * What a text token and a frame of LFM2-Audio cost the host, on Dawn's null backend, which runs nothing: no GPU is needed. Prints the
 * WebGPU calls of each, and the time of this process's processor. Usage: node bench/talk-calls.mjs FILE.gguf [--profile nvidia] [--list]
 * The model may be of random weights (`ingot synth lfm2.5-audio-1.5b --type q8_0`). `--list`: every dispatch of a frame.
 */
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';
import { createTalkEngine } from '../dist/engine/talk/create-talk-engine.js';
import { backboneRun, CHOSEN, frameRun, tokenRun } from '../dist/engine/talk/talk-runs.js';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { openGpuDevice } from '../dist/gpu/device/gpu-device.js';
import { createGpuExecutor } from '../dist/gpu/gpu-executor.js';
import { withoutMatrixUnits } from '../dist/gpu/profile/profile-for.js';
import { PROFILES } from '../dist/gpu/profile/profiles.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { locate } from '../dist/node/open-path.js';
import { summarise } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true, options: { profile: { type: 'string', default: 'nvidia' }, list: { type: 'boolean', default: false } },
});
if (path === undefined) throw new Error('which model? node bench/talk-calls.mjs FILE.gguf');
/** Storage buffers that the null adapter has for a stage. */
const STAGE_BUFFERS = 8;
const MOST_BYTES = 2 ** 25;
Object.assign(globalThis, globals);
// Kept for the life of the process: Dawn aborts when it is collected.
globalThis.nullGpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const executor = createGpuExecutor({
  open: openStandIn, name: 'null', kind: 'gpu', profile: withoutMatrixUnits(PROFILES[flags.profile]),
});
const checkpoint = await openCheckpoint(await locate(path));
const decoder = await openDecoder(checkpoint);
const engine = await createTalkEngine({ executor, decoder, contextLength: 2048, mostSeconds: 4 });
await checkpoint.close();

const settings = Array.from({ length: 8 }, (_, k) => [1, 4, 0.1 + k / 10]);
const sequence = engine.open();
const first = new Float32Array(engine.config.dim).fill(0.1);
/** Lists of so many steps of a kind. */
const lists = {
  text: (steps) => stepsOf(steps, 'text', () => [tokenRun([1, 4, 0.5], ['token'])]),
  audio: (steps) => stepsOf(steps, 'audio', () => [frameRun(settings, { pages: [[0], []] })]),
};
function stepsOf(steps, makes, choose) {
  const walk = sequence.walk();
  return Array.from({ length: steps }, (_, i) =>
    [backboneRun(i === 0 ? first : CHOSEN[makes], walk.step(1).sequence), ...choose()]).flat();
}

for (const [makes, list] of Object.entries(lists)) {
  await engine.run(list(1));
  const counts = await counted(() => engine.run(list(1)));
  for (let i = 0; i < 20; i++) await engine.run(list(8));
  const runs = [];
  for (let i = 0; i < 15; i++) runs.push(await microseconds(() => engine.run(list(8)), 8));
  const us = summarise(runs);
  console.log(`${makes}: ${Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(', ')}; ` +
    `${us.median.toFixed(0)} us of the processor a step in lists of 8 (least ${us.min.toFixed(0)})`);
}
await engine.dispose();

/** Of this process's processor, a step. */
async function microseconds(work, steps) {
  const before = process.cpuUsage();
  for (let i = 0; i < 4; i++) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (4 * steps);
}

/** How often a piece of work makes each call. */
async function counted(work) {
  const counts = { dispatches: 0, passes: 0, copies: 0, writes: 0, submits: 0 };
  const undo = [
    watch(GPUComputePassEncoder, 'dispatchWorkgroups', 'dispatches'), watch(GPUCommandEncoder, 'beginComputePass', 'passes'),
    watch(GPUCommandEncoder, 'copyBufferToBuffer', 'copies'), watch(GPUQueue, 'writeBuffer', 'writes'),
    watch(GPUQueue, 'submit', 'submits'),
  ];
  if (flags.list) undo.push(listed());
  await work();
  for (const each of undo.toReversed()) each();
  return counts;

  function watch({ prototype }, name, key) {
    const own = prototype[name];
    prototype[name] = function (...args) {
      counts[key]++;
      return own.apply(this, args);
    };
    return () => void (prototype[name] = own);
  }
}

function listed() {
  const { prototype } = GPUComputePassEncoder;
  const { setPipeline, dispatchWorkgroups } = prototype;
  let label;
  prototype.setPipeline = function (pipeline) {
    label = pipeline.label;
    return setPipeline.call(this, pipeline);
  };
  prototype.dispatchWorkgroups = function (...counts) {
    console.log(`  ${label}  ${counts.join('x')}`);
    return dispatchWorkgroups.apply(this, counts);
  };
  return () => void Object.assign(prototype, { setPipeline, dispatchWorkgroups });
}

/**
 * A device that takes every kernel: its texts are replaced by an empty one, and bindings beyond a stage's are another stage's, so that what
 * is encoded is the same.
 */
async function openStandIn() {
  const adapter = await globalThis.nullGpu.requestAdapter();
  const gpu = await openGpuDevice(adapter);
  const { device } = gpu;
  const module = device.createShaderModule({ code: '@compute @workgroup_size(1) fn main() {}' });
  const createLayout = device.createBindGroupLayout.bind(device);
  const createBuffer = device.createBuffer.bind(device);
  const createGroup = device.createBindGroup.bind(device);
  // The null backend has half a gigabyte: of larger buffers the beginning is there, and what lies behind it has any place in it.
  let bound = 0;
  const cut = new WeakSet();
  device.createBuffer = (options) => {
    const buffer = createBuffer({ ...options, size: Math.min(options.size, MOST_BYTES) });
    if (options.size > MOST_BYTES) cut.add(buffer);
    // No weight was looked at.
    if (options.label === 'weights not finite, read') buffer.getMappedRange = () => new Uint8Array(options.size).fill(0xff).buffer;
    return buffer;
  };
  device.createBindGroup = ({ layout, entries }) => createGroup({
    layout,
    entries: entries.map(({ binding, resource }) => ({
      binding, resource: cut.has(resource.buffer) ? { buffer: resource.buffer, offset: 256 * (bound++ % 4096), size: 256 } : resource,
    })),
  });
  device.createShaderModule = () => module;
  device.createBindGroupLayout = ({ entries }) => createLayout({
    entries: entries.map((entry) => ({
      ...entry, visibility: entry.binding < STAGE_BUFFERS ? GPUShaderStage.COMPUTE : GPUShaderStage.FRAGMENT,
    })),
  });
  const { invocations, workgroupBytes, storageBuffers, subgroupSize } = PROFILES[flags.profile];
  const limits = { ...gpu.limits, invocations, workgroupBytes, storageBuffers };
  const features = new Set([...gpu.features, 'shader-f16', 'subgroups']);
  for (const [name, value] of Object.entries({ limits, features, subgroupSize })) Object.defineProperty(gpu, name, { value });
  return gpu;
}
