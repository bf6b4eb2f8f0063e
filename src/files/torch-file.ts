/** Files of torch.save (.pth, .pt): a zip archive of a pickle that says which tensors there are, and a file for the values of each. */
import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';
import type { TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bytesOfElements } from '../tensor/tensor-type.ts';
import { elementCount, tensorEntry } from './tensor-entry.ts';
import { readPickle } from './tensor-pickle.ts';
import type { Pickled, PickledTensor } from './tensor-pickle.ts';
import { readZipDirectory } from './zip-directory.ts';
import type { StoredFile } from './zip-directory.ts';

const MOST_PICKLE_BYTES = 64 * 1024 * 1024;
const MOST_DEPTH = 8;
/** Of dicts that are walked: a dict may hold another many times over. */
const MOST_ENTRIES = 1 << 18;

/**
 * The tensors, by the keys that lead to each with dots between (nothing for a file of one tensor); a part `module` that a training wrapper
 * left is dropped. Reads the directory and the pickle; no code of it is run.
 * @throws FormatError for a damaged file, for a pickle that asks for more than tensors, and for tensors whose values do not lie in order
 */
export async function readTorchFile(source: ByteSource, fileName: string, options?: ReadOptions): Promise<Map<string, TensorEntry>> {
  const files = await readZipDirectory(source, options);
  const pickleName = [...files.keys()].find((name) => name === 'data.pkl' || name.endsWith('/data.pkl'));
  if (pickleName === undefined)
    throw new FormatError(`${source.name} is no file of torch.save: its archive has no data.pkl. Convert it to safetensors.`);
  const { offset, sizeBytes } = files.get(pickleName) as StoredFile;
  if (sizeBytes > MOST_PICKLE_BYTES)
    throw new FormatError(`${source.name}: data.pkl has ${sizeBytes} bytes; at most ${MOST_PICKLE_BYTES} are read.`);
  const pickle = new Uint8Array(sizeBytes);
  await source.read(offset, pickle, options);
  const folder = pickleName.slice(0, -'data.pkl'.length);
  await refuseBigEndian(source, files.get(`${folder}byteorder`), options);
  const tensors = new Map<string, TensorEntry>();
  const where = `${source.name}: data.pkl`;
  for (const [name, tensor] of tensorsIn(readPickle(pickle, where), [], { where, entries: 0 })) {
    const storage = files.get(`${folder}data/${tensor.storage}`);
    tensors.set(name, entryOf(name, tensor, { source, storage, fileName }));
  }
  return tensors;
}

async function refuseBigEndian(source: ByteSource, file: StoredFile | undefined, options?: ReadOptions): Promise<void> {
  if (file === undefined || file.sizeBytes > 16) return;
  const bytes = new Uint8Array(file.sizeBytes);
  await source.read(file.offset, bytes, options);
  const order = new TextDecoder().decode(bytes);
  if (order !== 'little')
    throw new FormatError(`${source.name}: expected the byte order "little", found ${JSON.stringify(order)}. Convert it.`);
}

interface Walk {
  readonly where: string;
  entries: number;
}

function* tensorsIn(value: Pickled, path: readonly string[], walk: Walk): Generator<readonly [string, PickledTensor]> {
  if (value instanceof Map) {
    if (path.length >= MOST_DEPTH) return;
    for (const [key, inner] of value) {
      if (++walk.entries > MOST_ENTRIES)
        throw new FormatError(`${walk.where} has dicts with more than ${MOST_ENTRIES} entries, some many times over. It is damaged.`);
      if (typeof key === 'object' && key !== null)
        throw new FormatError(`${walk.where} has a dict whose keys are no names. Convert it to safetensors.`);
      yield* tensorsIn(inner, [...path, String(key)], walk);
    }
  } else if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tensor') {
    yield [path.join('.').replace(/(^|\.)module\./, '$1'), value];
  }
}

interface Place {
  readonly source: ByteSource;
  readonly storage: StoredFile | undefined;
  readonly fileName: string;
}

function entryOf(
  name: string, { type, start, shape, strides, storage: key }: PickledTensor, { source, storage, fileName }: Place,
): TensorEntry {
  const where = `${source.name}: tensor ${JSON.stringify(name.slice(0, 100))}`;
  const elements = elementCount(shape);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== stride)
      throw new FormatError(`${where} has its values in another order than rows. Convert the file to safetensors (with .contiguous()).`);
    stride *= shape[axis] as number;
  }
  if (storage === undefined)
    throw new FormatError(`${where}: its archive has no data/${key.slice(0, 40)}. It is incomplete: get it again.`);
  const sizeBytes = elements === undefined ? Infinity : bytesOfElements(type, elements);
  const before = bytesOfElements(type, start);
  if (before + sizeBytes > storage.sizeBytes)
    throw new FormatError(`${where} should have ${before + sizeBytes} bytes, found ${storage.sizeBytes}. The file is damaged.`);
  return tensorEntry({ name, type, shape, sizeBytes, fileOffset: storage.offset + before }, source, fileName);
}
