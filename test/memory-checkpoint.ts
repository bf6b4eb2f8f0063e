/** Checkpoints whose tensors lie in memory, for tests of what reads them. */
import type { Checkpoint, CheckpointFormat, JsonObject, MetadataValue, TensorEntry } from '../src/tensor/checkpoint.ts';
import { bytesOfElements } from '../src/tensor/tensor-type.ts';
import type { TensorType } from '../src/tensor/tensor-type.ts';

export interface MemoryTensor {
  readonly shape: readonly number[];
  readonly type?: TensorType;
  readonly bytes?: Uint8Array;
}

export interface MemoryCheckpoint {
  readonly format: CheckpointFormat;
  readonly architecture: string;
  readonly metadata?: Readonly<Record<string, MetadataValue>>;
  readonly config?: JsonObject;
  readonly tensors: Readonly<Record<string, MemoryTensor>>;
}

export function memoryCheckpoint(spec: MemoryCheckpoint): Checkpoint {
  const entries = Object.entries(spec.tensors).map(([name, tensor]): [string, TensorEntry] => [name, entryOf(name, tensor)]);
  return {
    format: spec.format,
    name: 'memory',
    architecture: spec.architecture,
    metadata: new Map(Object.entries(spec.metadata ?? {})),
    config: spec.config,
    tensors: new Map(entries),
    assets: new Map(),
    sizeBytes: entries.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0),
    close: async () => {},
  };
}

export function entryOf(name: string, { shape, type = 'f32', bytes }: MemoryTensor): TensorEntry {
  const sizeBytes = bytes?.length ?? bytesOfElements(type, shape.reduce((a, b) => a * b, 1));
  return {
    name,
    type,
    shape,
    sizeBytes,
    fileName: 'memory',
    fileOffset: 0,
    async read(byteOffset, into) {
      if (byteOffset < 0 || byteOffset + into.length > sizeBytes)
        throw new RangeError(`${name} has ${sizeBytes} bytes; ${into.length} from ${byteOffset} on are not all inside it`);
      into.set((bytes ?? new Uint8Array(sizeBytes)).subarray(byteOffset, byteOffset + into.length));
    },
  };
}
