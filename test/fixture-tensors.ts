/** Reads a small safetensors fixture at once. Independent of the readers in src/files, so that it can check them. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface FixtureTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export const fixturesPath = fileURLToPath(new URL('./fixtures/', import.meta.url));
/** The folder of large shared material, which a clone alone does not have. */
export const sharedPath = process.env['INGOT_SHARED'] ?? fileURLToPath(new URL('../../shared', import.meta.url));

export function hasShared(path: string): boolean {
  return existsSync(`${sharedPath}/${path}`);
}

export function readFixtureTensors(path: string): Map<string, FixtureTensor> {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, FixtureTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [from, to] = entry.data_offsets;
    const bytes = new Uint8Array(file.subarray(8 + headerBytes + from, 8 + headerBytes + to));
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes });
  }
  return tensors;
}

/** The values of an F32 tensor. */
export function f32Of(tensors: ReadonlyMap<string, FixtureTensor>, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (tensor?.dtype !== 'F32') throw new Error(`${name} is not an F32 tensor of the fixture`);
  return new Float32Array(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength / 4);
}

export function bytesOf(tensors: ReadonlyMap<string, FixtureTensor>, name: string): Uint8Array {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no tensor ${name} in the fixture`);
  return tensor.bytes;
}
