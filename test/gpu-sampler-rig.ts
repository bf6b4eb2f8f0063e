/** Runs the GPU sampler as the decode loop does, several draws of several rows in one submit, from logits that stay as they are. */
import { CHOSEN_WORDS, chosenBytes } from '../src/gpu/kernels/argmax/emit-token.ts';
import { samplerScratch, samplerSteps } from '../src/gpu/sampling/sampler-steps.ts';
import type { SamplerStep } from '../src/gpu/sampling/sampler-steps.ts';
import { SAMPLING_BYTES, samplingRecord, tokenCounts } from '../src/gpu/sampling/sampling-record.ts';
import type { SamplerVariant } from '../src/gpu/sampling/sampler-variant.ts';
import type { SamplingSettings } from '../src/graph/sampling.ts';
import { compileForTest } from './gpu-harness.ts';
import type { TestDevice } from './gpu-harness.ts';

export interface RowDraws {
  readonly logits: Float32Array;
  readonly settings: SamplingSettings;
  readonly promptIds?: readonly number[];
  readonly outputIds?: readonly number[];
  /** Of the token before the first draw. */
  readonly position: number;
}

export interface Draws extends RowDraws {
  readonly count: number;
}

export interface Drawn {
  /** The last `count` tokens of the ring, oldest first. */
  readonly tokens: number[];
  /** Tokens of the answer after the draws. */
  readonly written: number;
  readonly status: number;
  readonly token: number;
  readonly position: number;
  readonly counts: Uint32Array;
  readonly ring: Uint32Array;
}

export interface SamplerRig {
  draw(draws: Draws): Promise<Drawn>;
  /** Rows of one dispatch; their logits, and their sequences, lie in other orders than the rows. */
  drawRows(rows: readonly RowDraws[], count: number): Promise<Drawn[]>;
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

/** @param most rows of a dispatch */
export async function createSamplerRig({ device }: TestDevice, variant: SamplerVariant, most = 1): Promise<SamplerRig> {
  const { vocab, ringSize } = variant;
  const sizes: Record<string, number> = {
    logits: vocab * 4, counts: vocab * 4, settings: SAMPLING_BYTES,
    tokens: 4, positions: 4, chosen: chosenBytes(variant), rows: 8, ...samplerScratch(variant),
  };
  const buffers = new Map<string, GPUBuffer>();
  for (const [name, bytes] of Object.entries(sizes)) {
    const size = Math.ceil((bytes * most) / 16) * 16;
    const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC });
    // What a sampler finds in its scratch memory must not matter.
    device.queue.writeBuffer(buffer, 0, new Uint32Array(size / 4).fill(0xdeadbeef));
    buffers.set(name, buffer);
  }
  device.pushErrorScope('validation');
  const steps = await Promise.all(samplerSteps(variant).map((step) => prepareStep(device, step, buffers)));
  const error = await device.popErrorScope();
  if (error !== null) throw new Error(error.message);

  const write = (name: string, data: ArrayBufferView<ArrayBuffer>, offset = 0) =>
    device.queue.writeBuffer(buffers.get(name) as GPUBuffer, offset, data.buffer, data.byteOffset, data.byteLength);
  const readBack = ['tokens', 'positions', 'chosen', 'counts'];
  const placeOf = (row: number, rows: number) => ({ logits: rows - 1 - row, sequence: (row + 1) % rows });
  const writeRow = ({ logits, settings, promptIds = [], outputIds = [], position }: RowDraws, row: number, rows: number) => {
    const place = placeOf(row, rows);
    write('logits', new Float32Array(logits), place.logits * vocab * 4);
    write('counts', tokenCounts({ vocab, promptIds, outputIds }), place.sequence * vocab * 4);
    write('settings', samplingRecord(settings), place.sequence * SAMPLING_BYTES);
    write('chosen', Uint32Array.of(outputIds.length, 0), place.sequence * chosenBytes(variant));
    write('positions', Uint32Array.of(position), row * 4);
    write('rows', Uint32Array.of(place.logits, place.sequence), row * 8);
  };
  const drawRows: SamplerRig['drawRows'] = async (rows, count) => {
    rows.forEach((row, i) => writeRow(row, i, rows.length));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let n = 0; n < count; n++) {
      for (const { pipeline, group, workgroups } of steps) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(workgroups, rows.length);
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
    const [tokens, positions, chosen, counts] = await Promise.all(staged.map(async (staging) => {
      await staging.mapAsync(GPUMapMode.READ);
      const words = new Uint32Array(staging.getMappedRange().slice(0));
      staging.destroy();
      return words;
    })) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
    return rows.map((_, row) => {
      const { sequence } = placeOf(row, rows.length);
      const words = chosenBytes(variant) / 4;
      const own = chosen.subarray(sequence * words, (sequence + 1) * words);
      const [written, status, last] = own as unknown as [number, number, number];
      if (last !== tokens[row]) throw new Error(`row ${row}: token ${tokens[row]}, but the sequence's last is ${last}`);
      const ring = own.slice(CHOSEN_WORDS);
      const kept = Math.min(count, ringSize);
      return {
        tokens: Array.from({ length: kept }, (_draw, i) => ring[(written - kept + i) % ringSize] as number),
        written, status, token: last, position: positions[row] as number,
        counts: counts.slice(sequence * vocab, (sequence + 1) * vocab), ring,
      };
    });
  };
  return {
    async draw({ count, ...row }) {
      const [drawn] = await drawRows([row], count);
      return drawn as Drawn;
    },
    drawRows,
    close() {
      for (const buffer of buffers.values()) buffer.destroy();
    },
  };
}
