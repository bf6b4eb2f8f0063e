/**
 * What each WebGPU call of a dispatch costs the host: in JavaScript and Dawn's front end (encode), and where Dawn hands commands to the
 * driver (submit). Usage: node bench/gpu-calls.mjs [--device null|software|gpu] [--toggles skip_validation,...] [--rounds 40]
 *   [--out FILE.jsonl]
 * Kernels of one workgroup that add up a word of each buffer stand for a token's; `own` buffers are a group's own, as weights are, `read`
 * and `write` ones are shared by all, as activations are. Loops of all variants take turns; figures are the least and the median of the
 * rounds, ns a call or dispatch: `encode` and `submit` of the clock, `all` of this process's processor, which a busy machine still tells.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';
import { describeCommit } from './measurement.mjs';

const { values: flags } = parseArgs({
  options: {
    device: { type: 'string', default: 'null' }, toggles: { type: 'string', default: '' }, rounds: { type: 'string', default: '40' },
    out: { type: 'string' },
  },
});
const DISPATCHES = 140;
const SUBMITS = 10;
Object.assign(globalThis, globals);
const device = await openDevice();
const module = new Map();

const variants = [
  { name: 'setPipeline', calls: (pass, { pipelines }, i) => pass.setPipeline(pipelines[i % 5]) },
  { name: 'setBindGroup, 1 buffer', own: 1, calls: (pass, { groups }, i) => pass.setBindGroup(0, groups[i]) },
  { name: 'setBindGroup, 8 buffers', own: 2, read: 3, write: 3, calls: (pass, { groups }, i) => pass.setBindGroup(0, groups[i]) },
  { name: 'setImmediates, an ArrayBuffer', calls: (pass, { words }) => pass.setImmediates(0, words.buffer) },
  { name: 'setImmediates, a Uint32Array', calls: (pass, { words }) => pass.setImmediates(0, words) },
  { name: 'dispatch alone, 1 buffer', write: 1, per: DISPATCHES, samePipeline: true },
  { name: 'dispatch alone, 8 buffers', own: 2, read: 3, write: 3, per: DISPATCHES, samePipeline: true },
  { name: 'three calls: 1 write', write: 1 },
  { name: 'three calls: 1 own, 1 write', own: 1, write: 1 },
  { name: 'three calls: 2 own, 1 read, 1 write', own: 2, read: 1, write: 1 },
  { name: 'three calls: 2 own of one, 3 read, 3 write', own: 2, ownBuffers: 1, read: 3, write: 3 },
  { name: 'three calls: 7 own, 1 write', own: 7, write: 1 },
  { name: 'three calls, read and written in turns: 2 own, 2 of 1', own: 2, ownBuffers: 1, turns: 1 },
  { name: 'three calls, read and written in turns: 2 own, 6 of 3', own: 2, ownBuffers: 1, turns: 3 },
  { name: 'a group for 5: 3 own of 2, 2 read, 3 write', own: 3, ownBuffers: 2, read: 2, write: 3, per: 5 },
  { name: 'a group for 5: 2 own, 1 write', own: 2, write: 1, per: 5 },
].map((variant) => ({ ...variant, made: make(variant), times: [] }));

for (let round = 0; round < Number(flags.rounds) + 2; round++) {
  for (const variant of variants) {
    const time = await measure(variant);
    if (round >= 2) variant.times.push(time);
  }
}
for (const { name, times } of variants) {
  const figures = Object.fromEntries(['encode', 'submit', 'all'].map((key) => {
    const sorted = times.map((time) => Math.round(time[key])).sort((a, b) => a - b);
    return [key, { least: sorted[0], median: sorted[sorted.length >> 1] }];
  }));
  const text = ({ least, median }) => `${least} (${median})`.padEnd(14);
  console.log(`${name.padEnd(58)} encode ${text(figures.encode)} submit ${text(figures.submit)} all ${text(figures.all)}`);
  if (flags.out !== undefined) {
    const of = { bench: 'gpu-calls', device: flags.device, toggles: flags.toggles, commit: process.env.INGOT_COMMIT ?? describeCommit() };
    appendFileSync(flags.out, `${JSON.stringify({ time: new Date().toISOString(), ...of, variant: name, ...figures })}\n`);
  }
}
device.destroy();

async function openDevice() {
  const own = { null: ['allow_unsafe_apis'], software: ['allow_unsafe_apis', 'disable_workgroup_init', 'disable_robustness'] };
  const toggles = [
    ...(own[flags.device] ?? [...own.software, 'vulkan_enable_f16_on_nvidia', 'disable_polyfills_on_integer_div_and_mod']),
    ...flags.toggles.split(',').filter((name) => name !== ''),
  ];
  // Kept for the life of the process: Dawn aborts when it is collected.
  globalThis.callsGpu = create([...(flags.device === 'null' ? ['backend=null'] : []), `enable-dawn-features=${toggles.join(',')}`]);
  const adapter = await globalThis.callsGpu.requestAdapter(flags.device === 'software' ? { forceFallbackAdapter: true } : {});
  return adapter.requestDevice();
}

function make({ own = 0, ownBuffers = own, read = 0, write = 0, turns = 0, per = 1 }) {
  const counts = [[own + read, 'read'], [write, 'write'], [turns, 'read'], [turns, 'write']];
  const types = counts.flatMap(([count, type]) => Array(count).fill(type));
  const entries = types.map((type, binding) => ({
    binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: type === 'read' ? 'read-only-storage' : 'storage' },
  }));
  const layout = device.createBindGroupLayout({ entries });
  const compute = { module: moduleOf(types), entryPoint: 'main' };
  const whole = device.createPipelineLayout({ bindGroupLayouts: [layout] });
  const pipelines = Array.from({ length: 5 }, () => device.createComputePipeline({ layout: whole, compute }));
  const buffersOf = (count) => Array.from({ length: count }, () => device.createBuffer({ size: 65536, usage: GPUBufferUsage.STORAGE }));
  const [reads, writes, evens, odds] = [read, write, turns, turns].map(buffersOf);
  const groups = Array.from({ length: Math.ceil(DISPATCHES / per) }, (_, i) => {
    const owned = buffersOf(ownBuffers);
    const planes = Array.from({ length: own }, (_plane, n) => ({ buffer: owned[n % ownBuffers], offset: n * 4096, size: 4096 }));
    const others = [...reads, ...writes, ...(i % 2 === 0 ? [...evens, ...odds] : [...odds, ...evens])].map((buffer) => ({ buffer }));
    return device.createBindGroup({ layout, entries: [...planes, ...others].map((resource, binding) => ({ binding, resource })) });
  });
  return { pipelines, groups, words: new Uint32Array(4) };
}

/** A text that uses every buffer, so that the driver drops none. */
function moduleOf(types) {
  const key = types.join();
  const access = { read: 'read', write: 'read_write' };
  const lines = types.map((type, i) => `@group(0) @binding(${i}) var<storage, ${access[type]}> b${i}: array<u32>;`);
  const sum = ['id.x', ...types.flatMap((type, i) => (type === 'read' ? [`b${i}[id.x]`] : []))].join(' + ');
  const stores = types.flatMap((type, i) => (type === 'read' ? [] : [`b${i}[id.x] = ${sum};`])).join(' ');
  const code = [...lines, `@compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id: vec3<u32>) { ${stores} }`].join('\n');
  if (!module.has(key)) module.set(key, device.createShaderModule({ code }));
  return module.get(key);
}

function encodeToken(pass, { made, calls, per = 1, samePipeline = false }) {
  const { pipelines, groups } = made;
  if (calls !== undefined) {
    for (let i = 0; i < DISPATCHES; i++) calls(pass, made, i);
    return;
  }
  for (let i = 0; i < DISPATCHES; i++) {
    if (!samePipeline || i === 0) pass.setPipeline(pipelines[i % 5]);
    if (i % per === 0) pass.setBindGroup(0, groups[i / per]);
    pass.dispatchWorkgroups(1);
  }
}

async function measure(variant) {
  let [encode, submit] = [0, 0];
  const before = process.cpuUsage();
  for (let i = 0; i < SUBMITS; i++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const start = performance.now();
    encodeToken(pass, variant);
    const encoded = performance.now();
    pass.end();
    const commands = encoder.finish();
    const finished = performance.now();
    device.queue.submit([commands]);
    submit += performance.now() - finished;
    encode += encoded - start;
  }
  await device.queue.onSubmittedWorkDone();
  const { user, system } = process.cpuUsage(before);
  const each = DISPATCHES * SUBMITS;
  return { encode: (encode * 1e6) / each, submit: (submit * 1e6) / each, all: ((user + system) * 1000) / each };
}
