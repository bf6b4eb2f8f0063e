/** Turns pieces of tensors, as their file holds them, into the planes of their matrices. */
import { BUFFER_USAGE, MAP_MODE, STORAGE_USAGE } from '../device/gpu-device.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipeline, Pipelines } from '../device/pipeline-cache.ts';
import { ALL_FINITE, PIECE_BYTES, pieceUniform, RAW_SLACK_BYTES, repackKernel, repackWorkgroups } from '../kernels/repack/repack-kernel.ts';
import type { RepackPiece } from '../kernels/repack/repack-kernel.ts';
import { packedFormatOf } from '../packed-layout.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import type { LoadedMatrix } from './weight-request.ts';

export interface RepackerOptions {
  readonly gpu: Pick<GpuDevice, 'createBuffer' | 'guard' | 'pending' | 'device' | 'queue'>;
  readonly pipelines: Pipelines;
  /** Types that will come. */
  readonly types: ReadonlySet<WeightType>;
  /** Most bytes of a piece. */
  readonly pieceBytes: number;
  /** Tensors whose soundness is told apart; at least 1. */
  readonly tensors: number;
}

export interface PieceToRepack {
  readonly matrix: LoadedMatrix;
  readonly type: WeightType;
  readonly piece: RepackPiece;
  /** Unmapped; holds the piece from its start on. */
  readonly staged: GPUBuffer;
  readonly sizeBytes: number;
}

export interface Repacker {
  /** Hands a piece to the GPU's queue. */
  repack(piece: PieceToRepack): void;
  /** Waits for the queue. The number of the first tensor that is not finite, and of its first such block; undefined where all are. */
  findNotFinite(): Promise<{ readonly tensor: number; readonly block: number } | undefined>;
  destroy(): void;
}

interface RepackerBuffers {
  readonly raw: GPUBuffer;
  readonly piece: GPUBuffer;
  readonly errors: GPUBuffer;
  readonly errorsRead: GPUBuffer;
}

/** Compiles a pipeline for each type. @throws CapacityError where there is no memory for it; none is then taken */
export async function createRepacker(options: RepackerOptions): Promise<Repacker> {
  const { gpu, types, tensors } = options;
  const { device, queue } = gpu;
  const compiled = await Promise.all(
    [...types].map(async (type) => [type, await options.pipelines.get(repackKernel({ format: packedFormatOf(type) }))] as const),
  );
  const pipelines = new Map<WeightType, Pipeline>(compiled);
  const { buffers, destroy } = await allocate(options);
  queue.writeBuffer(buffers.errors, 0, new Uint32Array(tensors).fill(ALL_FINITE));
  const groups = new Map<LoadedMatrix, GPUBindGroup>();
  const groupOf = (matrix: LoadedMatrix, pipeline: Pipeline) => {
    const group = groups.get(matrix) ?? bindMatrix(device, { matrix, pipeline, buffers });
    groups.set(matrix, group);
    return group;
  };
  return {
    repack({ matrix, type, piece, staged, sizeBytes }) {
      const pipeline = pipelines.get(type);
      if (pipeline === undefined) throw new Error(`repack: ${type} was not announced`);
      queue.writeBuffer(buffers.piece, 0, pieceUniform(piece));
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(staged, 0, buffers.raw, 0, Math.ceil(sizeBytes / 4) * 4);
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline.pipeline);
      pass.setBindGroup(0, groupOf(matrix, pipeline));
      pass.dispatchWorkgroups(...repackWorkgroups({ format: packedFormatOf(type) }, piece));
      pass.end();
      queue.submit([encoder.finish()]);
    },
    findNotFinite: () => findNotFinite(options, buffers),
    destroy,
  };
}

async function allocate({ gpu, pieceBytes, tensors }: RepackerOptions): Promise<{ buffers: RepackerBuffers; destroy: () => void }> {
  const made: GPUBuffer[] = [];
  const make = (label: string, size: number, usage: number) => {
    const buffer = gpu.createBuffer({ label, size, usage });
    made.push(buffer);
    return buffer;
  };
  const destroy = () => made.forEach((buffer) => buffer.destroy());
  try {
    const buffers = await gpu.guard('Allocating memory to repack weights', () => ({
      raw: make('raw weights', pieceBytes + RAW_SLACK_BYTES, BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_DST),
      piece: make('piece of weights', PIECE_BYTES, BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST),
      errors: make('weights not finite', tensors * 4, STORAGE_USAGE),
      errorsRead: make('weights not finite, read', tensors * 4, BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST),
    }));
    return { buffers, destroy };
  } catch (error) {
    destroy();
    throw error;
  }
}

interface BindMatrixOptions {
  readonly matrix: LoadedMatrix;
  readonly pipeline: Pipeline;
  readonly buffers: RepackerBuffers;
}

function bindMatrix(device: GPUDevice, { matrix, pipeline, buffers }: BindMatrixOptions): GPUBindGroup {
  const resources = new Map<string, GPUBufferBinding>([
    ['raw', { buffer: buffers.raw }],
    ['errors', { buffer: buffers.errors }],
    ['piece', { buffer: buffers.piece }],
  ]);
  for (const { name, offset, sizeBytes } of matrix.planes) resources.set(name, { buffer: matrix.buffer, offset, size: sizeBytes });
  return device.createBindGroup({
    layout: pipeline.layout,
    entries: pipeline.kernel.bindings.map(({ name }, binding) => ({ binding, resource: resources.get(name) as GPUBufferBinding })),
  });
}

async function findNotFinite({ gpu, tensors }: RepackerOptions, { errors, errorsRead }: RepackerBuffers) {
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(errors, 0, errorsRead, 0, errors.size);
  gpu.queue.submit([encoder.finish()]);
  await gpu.pending(errorsRead.mapAsync(MAP_MODE.READ));
  const blocks = new Uint32Array(errorsRead.getMappedRange(), 0, tensors).slice();
  errorsRead.unmap();
  const tensor = blocks.findIndex((block) => block !== ALL_FINITE);
  return tensor < 0 ? undefined : { tensor, block: blocks[tensor] as number };
}
