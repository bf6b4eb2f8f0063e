/** Folders of packed weights in memory, for tests of what joins their planes. */
import { openHfFolder } from '../src/files/hf-folder.ts';
import { memoryFolder } from '../src/files/memory-source.ts';
import type { Checkpoint, JsonObject } from '../src/tensor/checkpoint.ts';
import { decodeRows } from '../src/tensor/codec/decode-rows.ts';
import { elementsOf } from '../src/tensor/tensor-type.ts';
import type { FixtureTensor } from './fixture-tensors.ts';
import { tensorFileBytes, utf8 } from './model-bytes.ts';

export type PackedTensors = ReadonlyMap<string, FixtureTensor>;

/** Opens a folder with these tensors and these keys of config.json beside a model type. */
export async function openPacked(tensors: PackedTensors, config: JsonObject): Promise<Checkpoint> {
  const files = new Map([
    ['config.json', utf8({ model_type: 'llama', ...config })],
    ['model.safetensors', tensorFileBytes(tensors)],
  ]);
  return openHfFolder(memoryFolder(files, 'memory'));
}

/** All bytes of a tensor of the folder. */
export async function bytesOfTensor(checkpoint: Checkpoint, name: string): Promise<Uint8Array> {
  const entry = checkpoint.tensors.get(name);
  if (entry === undefined) throw new Error(`no tensor ${name}`);
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes);
  return bytes;
}

export async function valuesOfTensor(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const bytes = await bytesOfTensor(checkpoint, name);
  const { type, shape } = checkpoint.tensors.get(name)!;
  const values = new Float32Array(elementsOf(shape));
  decodeRows(type, bytes, values);
  return values;
}

/** The planes of a case of a fixture, as the tensors `m.PLANE` of a module. */
export function moduleOf(fixture: PackedTensors, name: string): Map<string, FixtureTensor> {
  const own = [...fixture].filter(([key]) => key.startsWith(`${name}.`) && !key.endsWith('.values'));
  return new Map(own.map(([key, tensor]) => [`m.${key.slice(name.length + 1)}`, tensor]));
}
