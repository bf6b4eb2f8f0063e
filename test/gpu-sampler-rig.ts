/** Runs the GPU sampler as the decode loop does, several draws in one submit, from logits that stay as they are. */
import { samplerScratch, samplerSteps } from '../src/gpu/sampling/sampler-steps.ts';
import type { SamplerStep } from '../src/gpu/sampling/sampler-steps.ts';
import { SAMPLING_BYTES, samplingRecord, tokenCounts } from '../src/gpu/sampling/sampling-record.ts';
import type { SamplerVariant } from '../src/gpu/sampling/sampler-variant.ts';
import type { SamplingSettings } from '../src/graph/sampling.ts';
import { compileForTest } from './gpu-harness.ts';
import type { TestDevice } from './gpu-harness.ts';

export interface Draws {
  readonly logits: Float32Array;
  readonly settings: SamplingSettings;
  readonly promptIds?: readonly number[];
  readonly outputIds?: readonly number[];
  /** Of the token before the first draw. */
  readonly position: number;
  readonly count: number;
}

export interface Drawn {
  /** The last `count` tokens of the ring, oldest first. */
  readonly tokens: number[];
  readonly written: number;
  readonly status: number;
  readonly token: number;
  readonly position: number;
  readonly counts: Uint32Array;
  readonly ring: Uint32Array;
}

export interface SamplerRig {
  draw(draws: Draws): Promise<Drawn>;
  close(): void;
}

async function prepareStep(device: GPUDevice, { kernel, workgroups }: SamplerStep, buffers: ReadonlyMap<string, GPUBuffer>) {
  const { pipeline, layout } = await compileForTest(device, kernel);
  const group = device.createBindGroup({
    layout,
    entries: kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: buffers.get(name) as GPUBuffer } })),
  });
  return { pipeline, group, workgroups };
}

export async function createSamplerRig({ device }: TestDevice, variant: SamplerVariant): Promise<SamplerRig> {
  const sizes: Record<string, number> = {
    logits: variant.vocab * 4, counts: variant.vocab * 4, sampling: SAMPLING_BYTES,
    tokens: 4, positions: 4, ring: variant.ringSize * 4, control: 8, ...samplerScratch(variant),
  };
  const buffers = new Map<string, GPUBuffer>();
  for (const [name, bytes] of Object.entries(sizes)) {
    const size = Math.ceil(bytes / 16) * 16;
    const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC });
    // What a sampler finds in its scratch memory must not matter.
    device.queue.writeBuffer(buffer, 0, new Uint32Array(size / 4).fill(0xdeadbeef));
    buffers.set(name, buffer);
  }
  device.pushErrorScope('validation');
  const steps = await Promise.all(samplerSteps(variant).map((step) => prepareStep(device, step, buffers)));
  const error = await device.popErrorScope();
  if (error !== null) throw new Error(error.message);

  const write = (name: string, data: ArrayBufferView<ArrayBuffer>) =>
    device.queue.writeBuffer(buffers.get(name) as GPUBuffer, 0, data.buffer, data.byteOffset, data.byteLength);
  const readBack = ['tokens', 'positions', 'ring', 'control', 'counts'];
  return {
    async draw({ logits, settings, promptIds = [], outputIds = [], position, count }) {
      write('logits', new Float32Array(logits));
      write('counts', tokenCounts({ vocab: variant.vocab, promptIds, outputIds }));
      write('sampling', samplingRecord(settings, position + 1 - outputIds.length));
      write('positions', Uint32Array.of(position));
      write('control', Uint32Array.of(0, 0));
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (let n = 0; n < count; n++) {
        for (const { pipeline, group, workgroups } of steps) {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(...workgroups);
        }
      }
      pass.end();
      const staged = readBack.map((name) => {
        const from = buffers.get(name) as GPUBuffer;
        const staging = device.createBuffer({ size: from.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
        encoder.copyBufferToBuffer(from, 0, staging, 0, from.size);
        return staging;
      });
      device.queue.submit([encoder.finish()]);
      const [tokens, positions, ring, control, counts] = await Promise.all(staged.map(async (staging) => {
        await staging.mapAsync(GPUMapMode.READ);
        const words = new Uint32Array(staging.getMappedRange().slice(0));
        staging.destroy();
        return words;
      })) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];
      const written = control[0] as number;
      const kept = Math.min(count, variant.ringSize);
      return {
        tokens: Array.from({ length: kept }, (_, i) => ring[(written - kept + i) % variant.ringSize] as number),
        written, status: control[1] as number, token: tokens[0] as number, position: positions[0] as number,
        counts: counts.slice(0, variant.vocab), ring,
      };
    },
    close() {
      for (const buffer of buffers.values()) buffer.destroy();
    },
  };
}
