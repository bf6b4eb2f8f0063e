/** safetensors files (huggingface/safetensors, README "Format"): a length, a JSON header, the tensors without gaps. */
import { FormatError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { JsonValue, SkippedTensor, TensorEntry } from '../tensor/checkpoint.ts';
import { bytesOfElements } from '../tensor/tensor-type.ts';
import type { TensorType } from '../tensor/tensor-type.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { decodeUtf8 } from '../tensor/decode-utf8.ts';
import { checkPlainFileName, readWhole } from './read-range.ts';
import { openRequired } from '../tensor/open-required.ts';
import { checkTensorPlaces, elementCount, tensorEntry } from './tensor-entry.ts';
import type { TensorPlace } from './tensor-entry.ts';
import { isJsonObject } from '../tensor/json.ts';

const prefixBytes = 8;
/** A header takes about 100 bytes per tensor; the format's own limit is 100 MB. */
const maxHeaderBytes = 64 * 1024 * 1024;
const maxIndexBytes = 64 * 1024 * 1024;
const maxDims = 16;

const dtypes: ReadonlyMap<string, TensorType> = new Map([
  ['F64', 'f64'],
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
  ['F8_E4M3', 'f8_e4m3'],
  ['F8_E5M2', 'f8_e5m2'],
  ['I64', 'i64'],
  ['I32', 'i32'],
  ['I16', 'i16'],
  ['I8', 'i8'],
  ['U64', 'u64'],
  ['U32', 'u32'],
  ['U16', 'u16'],
  ['U8', 'u8'],
  ['BOOL', 'bool'],
]);

/**
 * Reads the header of one safetensors file; the source stays the caller's to close.
 * @param fileName goes into each entry, for messages.
 * @throws FormatError for anything but a sound file whose tensors fill it exactly.
 */
export async function readSafetensors(
  source: ByteSource,
  fileName: string,
  options?: ReadOptions,
): Promise<Map<string, TensorEntry>> {
  const { header, dataOffset } = await readHeader(source, options);
  const places: TensorPlace[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') places.push(tensorPlace(name, value, dataOffset, source.name));
  }
  const byOffset = checkTensorPlaces(places, dataOffset, source);
  checkNoGaps(byOffset, dataOffset, source);
  return new Map(places.map((place) => [place.name, tensorEntry(place, source, fileName)]));
}

async function readHeader(source: ByteSource, options: ReadOptions | undefined) {
  const { name, sizeBytes } = source;
  if (sizeBytes < prefixBytes + 2) {
    throw new FormatError(`${name} is not a safetensors file: it has only ${sizeBytes} bytes. Copy or download it again.`);
  }
  const prefix = new Uint8Array(prefixBytes);
  await source.read(0, prefix, options);
  const headerBytes = new DataView(prefix.buffer).getBigUint64(0, true);
  if (headerBytes > BigInt(sizeBytes - prefixBytes) || headerBytes > BigInt(maxHeaderBytes)) {
    throw new FormatError(
      `${name}: the header should take ${headerBytes} bytes, but the file has ${sizeBytes} and a header may take at most ` +
      `${maxHeaderBytes}. ` +
        'It is incomplete or not a safetensors file.',
    );
  }
  const bytes = new Uint8Array(Number(headerBytes));
  await source.read(prefixBytes, bytes, options);
  const what = `${name}: the header`;
  return { header: parseJsonObject(decodeUtf8(bytes, what), what), dataOffset: prefixBytes + bytes.length };
}

function tensorPlace(name: string, value: JsonValue | undefined, dataOffset: number, fileName: string): TensorPlace {
  const what = `${fileName}: tensor ${JSON.stringify(name.slice(0, 100))}`;
  if (!isJsonObject(value)) throw new FormatError(`${what} must be described by a JSON object. The file is damaged.`);
  const { dtype, shape, data_offsets: offsets } = value;
  const type = typeof dtype === 'string' ? dtypes.get(dtype) : undefined;
  if (type === undefined) {
    const found = typeof dtype === 'string' ? `the dtype ${JSON.stringify(dtype.slice(0, 40))}` : 'no dtype that is a string';
    throw new FormatError(`${what} has ${found}; known are ${[...dtypes.keys()].join(', ')}. Convert the model to one of these.`);
  }
  if (!isSizeList(shape) || shape.length > maxDims) {
    throw new FormatError(`${what} must have a shape of at most ${maxDims} whole numbers. The file is damaged.`);
  }
  if (!isSizeList(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new FormatError(`${what} must have data_offsets [begin, end] with begin <= end. The file is damaged.`);
  }
  const [begin, end] = offsets as [number, number];
  const count = elementCount(shape);
  const sizeBytes = end - begin;
  if (count === undefined || bytesOfElements(type, count) !== sizeBytes) {
    throw new FormatError(
      `${what} of ${dtype} [${shape.join(', ')}] needs ${count === undefined ? 'more than 2^53' : bytesOfElements(type, count)} bytes, ` +
        `but its data_offsets span ${sizeBytes}. The file is damaged.`,
    );
  }
  return { name, type, shape, sizeBytes, fileOffset: dataOffset + begin };
}

function isSizeList(value: JsonValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0);
}

/** The format has no gaps, so that a gap means a damaged header or a file of another length. */
function checkNoGaps(byOffset: readonly TensorPlace[], dataOffset: number, source: ByteSource): void {
  let next = dataOffset;
  for (const place of byOffset) {
    if (place.fileOffset !== next) {
      throw new FormatError(
        `${source.name}: expected tensor ${JSON.stringify(place.name.slice(0, 100))} at offset ${next}, found ${place.fileOffset}. ` +
          'The file is damaged.',
      );
    }
    next += place.sizeBytes;
  }
  if (next !== source.sizeBytes) {
    throw new FormatError(`${source.name}: its tensors end at ${next}, but the file has ${source.sizeBytes} bytes. It is damaged.`);
  }
}

export interface ShardedTensors {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly superseded: readonly SkippedTensor[];
}

/**
 * Reads a sharded model by its index (`model.safetensors.index.json`), which decides: a tensor is read from the shard that the index
 * names, and copies of it in other shards are superseded. A tensor that the index does not list is marked so; transformers, too, reads
 * every tensor of the shards that the index names.
 * @param opened receives every source that was opened, also when this throws.
 * @throws FormatError when index and shards disagree, or a shard is missing or lies outside the folder.
 */
export async function readShardedSafetensors(
  folder: SourceFolder,
  index: ByteSource,
  opened: ByteSource[],
  options?: ReadOptions,
): Promise<ShardedTensors> {
  const weightMap = await readWeightMap(index, options);
  const tensors = new Map<string, TensorEntry>();
  const copies: TensorEntry[] = [];
  for (const shardName of [...new Set(weightMap.values())].toSorted()) {
    const missing = `${index.name} names the file ${JSON.stringify(shardName)}, which is missing`;
    const shard = await openRequired(folder, shardName, { ...options, missing, advice: 'Copy or download it.' });
    opened.push(shard);
    for (const [name, entry] of await readSafetensors(shard, shardName, options)) {
      const listed = weightMap.get(name);
      if (listed === shardName) tensors.set(name, entry);
      else if (listed !== undefined) copies.push(entry);
      else addUnlisted(tensors, { ...entry, unlistedIn: index.name });
    }
  }
  checkAllListed(weightMap, { tensors, copies, index });
  return {
    tensors,
    superseded: copies.map(({ name, fileName }) => ({
      name,
      reason: `a copy in ${fileName}; the index puts it in ${weightMap.get(name)}`,
    })),
  };
}

function addUnlisted(tensors: Map<string, TensorEntry>, entry: TensorEntry): void {
  const { name, fileName, unlistedIn } = entry;
  const other = tensors.get(name);
  if (other !== undefined) {
    throw new FormatError(
      `${JSON.stringify(other.fileName)} and ${JSON.stringify(fileName)} both hold the tensor ${JSON.stringify(name)}, ` +
      `which ${unlistedIn} does not list, ` +
        'so that there is no telling which is meant. The files do not belong together.',
    );
  }
  tensors.set(name, entry);
}

interface ShardContents {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly copies: readonly TensorEntry[];
  readonly index: ByteSource;
}

function checkAllListed(weightMap: ReadonlyMap<string, string>, { tensors, copies, index }: ShardContents): void {
  const missing = [...weightMap].find(([name]) => !tensors.has(name));
  if (missing === undefined) return;
  const [name, shardName] = missing;
  const elsewhere = copies.find((entry) => entry.name === name);
  throw new FormatError(
    `${index.name} puts the tensor ${JSON.stringify(name)} in ${JSON.stringify(shardName)}, which does not hold it` +
      `${elsewhere ? ` (${JSON.stringify(elsewhere.fileName)} does)` : ''}. The files do not belong together: copy or download them again.`,
  );
}

async function readWeightMap(index: ByteSource, options: ReadOptions | undefined): Promise<Map<string, string>> {
  const json = parseJsonObject(decodeUtf8(await readWhole(index, maxIndexBytes, options), index.name), index.name);
  const weightMap = json['weight_map'];
  if (!isJsonObject(weightMap))
    throw new FormatError(`${index.name} has no object "weight_map" from tensors to files. Is it the index of a sharded model?`);
  const files = new Map<string, string>();
  for (const [name, fileName] of Object.entries(weightMap)) {
    if (typeof fileName !== 'string')
      throw new FormatError(`${index.name}: the file of tensor ${JSON.stringify(name)} must be a string. The index is damaged.`);
    checkPlainFileName(fileName, `${index.name}: tensor ${JSON.stringify(name)}`);
    files.set(name, fileName);
  }
  return files;
}
