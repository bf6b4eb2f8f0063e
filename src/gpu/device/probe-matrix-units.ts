/** Tries matrix units before a program counts on them: Dawn offers them as an experiment, and drivers have computed them wrongly. */
import { f32ToF16 } from '../../tensor/half.ts';
import { kernelHeader, kernelKey } from '../kernel.ts';
import type { Binding, Kernel } from '../kernel.ts';
import { createReadBack } from '../program/read-back.ts';
import {
  loadMatrix, MATRIX_LANES, matrixArguments, matrixEnables, matrixFunctions, matrixNeeds, matrixStart, matrixTypes, multiplyMatrices,
  storeMatrix, valuesOfVector,
} from '../wgsl/subgroup-matrix.ts';
import type { MatrixConfig } from '../wgsl/subgroup-matrix.ts';
import { STORAGE_USAGE } from './gpu-device.ts';
import type { GpuDevice } from './gpu-device.ts';
import { createPipelines } from './pipeline-cache.ts';

/** Products added up: each of other parts of the lines. */
const PRODUCTS = 3;
const SUBGROUPS = 4;

/** Small integers, exact in halves, and so are their sums. */
const valueAt = (line: number, place: number) => ((line * 7 + place * 5) % 11) - 5;

const BINDINGS: readonly Binding[] = [
  { name: 'x', access: 'read', type: 'array<vec4<u32>>' },
  { name: 'y', access: 'write', type: 'array<vec4<u32>>' },
];

/** vec4s of a line of inputs, with one unused, and of a line of sums. */
function strides(config: MatrixConfig): { readonly x: number; readonly y: number } {
  return { x: (PRODUCTS * config.k) / valuesOfVector(config) + 1, y: config.n / (config.sum === 'f32' ? 4 : 8) + 1 };
}

/** Each subgroup multiplies the m lines from its own number on with the n lines behind the last of those. */
export function probeKernel(config: MatrixConfig): Kernel {
  const { m, n, k } = config;
  const { x, y } = strides(config);
  const memories = { loaded: ['held', 'x'], stored: ['held'] };
  const lines = m + SUBGROUPS + n;
  const length = lines * x;
  const sums = SUBGROUPS * m * y;
  const step = k / valuesOfVector(config);
  const place = (offset: string) => ({ memory: 'held', offset, stride: `${x}u` });
  // Products read ready halves where they lie.
  const memoryOf = (i: number) => (i === 1 && config.input === 'f16' ? 'x' : 'held');
  const left = (i: number) =>
    loadMatrix(config, 'left', { ...place(`subgroup * ${x}u + ${i * step}u`), memory: memoryOf(i) }, memories);
  const lower = (m + SUBGROUPS) * x;
  const right = (i: number) => loadMatrix(config, 'right', { ...place(`${lower + i * step}u`), isTransposed: true }, memories);
  const size = SUBGROUPS * MATRIX_LANES;
  const products = Array.from({ length: PRODUCTS }, (_, i) =>
    `let a${i} = ${left(i)};\nlet b${i} = ${right(i)};\nc = ${multiplyMatrices(config, `a${i}`, `b${i}`, 'c')};`);
  const wgsl = `${matrixEnables(config)}${kernelHeader(BINDINGS, {})}
var<workgroup> held: array<vec4<u32>, ${Math.max(length, sums)}>;
${matrixFunctions(config, memories)}
@compute @workgroup_size(${size})
fn main(@builtin(local_invocation_index) lane: u32${matrixArguments(config)}) {
${matrixStart(config)}
for (var i = lane; i < ${length}u; i += ${size}u) { held[i] = x[i]; }
workgroupBarrier();
var c: ${matrixTypes(config).sum};
${products.join('\n')}
workgroupBarrier();
${storeMatrix(config, { memory: 'held', offset: `subgroup * ${m * y}u`, stride: `${y}u` }, 'c')}
workgroupBarrier();
for (var i = lane; i < ${sums}u; i += ${size}u) { y[i] = held[i]; }
}
`;
  return {
    key: kernelKey('probe-matrices', config), label: 'probe of matrix units', wgsl, bindings: BINDINGS, workgroupSize: size,
    needs: matrixNeeds(config),
  };
}

/** The kernel's `x`. */
export function probeInput(config: MatrixConfig): Uint8Array {
  const { x } = strides(config);
  const lines = config.m + SUBGROUPS + config.n;
  const places = x * valuesOfVector(config);
  const bytes = new Uint8Array(lines * x * 16);
  const view = new DataView(bytes.buffer);
  for (let line = 0; line < lines; line++)
    for (let i = 0; i < places; i++) {
      if (config.input === 'f16') view.setUint16(2 * (line * places + i), f32ToF16(valueAt(line, i)), true);
      else view.setFloat32(4 * (line * places + i), valueAt(line, i), true);
    }
  return bytes;
}

/** Whether what the kernel wrote is right; sums in f32. */
export function isProbeRight({ m, n, k, ...config }: MatrixConfig, y: Float32Array): boolean {
  const stride = 4 * strides({ m, n, k, ...config }).y;
  for (let at = 0; at < SUBGROUPS * m * n; at++) {
    const [line, column] = [Math.floor(at / n), at % n];
    const first = Math.floor(line / m) + (line % m);
    let sum = 0;
    for (let i = 0; i < PRODUCTS * k; i++) sum += valueAt(first, i) * valueAt(m + SUBGROUPS + column, i);
    if (y[line * stride + column] !== sum) return false;
  }
  return true;
}

/** Whether the device's products are exact; false where the kernel does not compile. */
export async function areMatrixUnitsRight(gpu: GpuDevice, config: MatrixConfig): Promise<boolean> {
  const kernel = probeKernel(config);
  const input = probeInput(config);
  const sizeBytes = SUBGROUPS * config.m * strides(config).y * 16;
  try {
    const { pipeline, layout } = await createPipelines(gpu).get(kernel);
    const buffers = [input.byteLength, sizeBytes].map((size) => gpu.createBuffer({ label: kernel.label, size, usage: STORAGE_USAGE }));
    const [x, y] = buffers as [GPUBuffer, GPUBuffer];
    gpu.queue.writeBuffer(x, 0, input as Uint8Array<ArrayBuffer>);
    const group = gpu.device.createBindGroup({ layout, entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) });
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    pass.end();
    const readBack = createReadBack(gpu);
    const pending = await readBack.open([sizeBytes]);
    pending.copy(encoder, [{ buffer: y, sizeBytes }]);
    gpu.queue.submit([encoder.finish()]);
    const [result] = await pending.read();
    readBack.destroy();
    for (const buffer of buffers) buffer.destroy();
    return isProbeRight(config, new Float32Array(result as ArrayBuffer));
  } catch {
    gpu.throwIfLost();
    return false;
  }
}
