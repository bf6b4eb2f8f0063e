/** The header of one GGUF v3 file (ggml's docs/gguf.md): key values, then where each tensor is. */
import { FormatError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';
import type { MetadataValue } from '../tensor/checkpoint.ts';
import { metadataNumber } from '../tensor/metadata.ts';
import { TENSOR_TYPES, bytesOfElements, tensorTypeOfGgmlId } from '../tensor/tensor-type.ts';
import { readGgufMetadata } from './gguf-metadata.ts';
import { readGgufName } from './gguf-string.ts';
import { HeaderCursor } from './header-cursor.ts';
import { checkTensorPlaces, elementCount } from './tensor-entry.ts';
import type { TensorPlace } from './tensor-entry.ts';

/** "GGUF" read as a little-endian number. */
export const GGUF_MAGIC = 0x46554747;
const ggufVersion = 3;
const defaultAlignment = 32;
const maxAlignment = 1 << 20;
/** The largest vocabularies in use take 16 MB, merges included. */
const maxHeaderBytes = 256 * 1024 * 1024;
const maxKeys = 1 << 16;
const maxTensors = 1 << 20;
const maxDims = 4;
/** A key is a length, at least nothing, a type and a byte; a tensor is a length, a rank, a type and an offset. */
const minKeyBytes = 13;
const minTensorBytes = 24;

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** In file order. */
  readonly tensors: readonly TensorPlace[];
}

/**
 * Reads the header of one file and checks it against the file's size. Reads nothing of the tensors.
 * @throws FormatError for anything but a sound, little-endian GGUF v3 file.
 */
export async function readGgufHeader(source: ByteSource, options?: ReadOptions): Promise<GgufHeader> {
  const cursor = new HeaderCursor(source, maxHeaderBytes, options);
  await cursor.require(8, 'the magic "GGUF" and the version');
  checkVersion(cursor.takeU32(), cursor.takeU32(), source.name);
  await cursor.require(16, 'the counts of tensors and keys');
  const tensorCount = takeCount(cursor, maxTensors, minTensorBytes, 'tensors');
  const keyCount = takeCount(cursor, maxKeys, minKeyBytes, 'keys');
  const metadata = await readGgufMetadata(cursor, keyCount);
  const alignment = alignmentOf(metadata, source.name);
  const relative: TensorPlace[] = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index++) {
    const place = await readTensorPlace(cursor, alignment, `tensor ${index} of ${tensorCount}`);
    if (names.has(place.name)) {
      throw cursor.error(`the tensor ${JSON.stringify(place.name.slice(0, 100))} occurs twice. The file is damaged.`);
    }
    names.add(place.name);
    relative.push(place);
  }
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment;
  const tensors = relative.map((place) => ({ ...place, fileOffset: dataOffset + place.fileOffset }));
  checkTensorPlaces(tensors, dataOffset, source);
  return { metadata, tensors };
}

function checkVersion(magic: number, version: number, name: string): void {
  if (magic !== GGUF_MAGIC) {
    const found = magic.toString(16).padStart(8, '0');
    throw new FormatError(`${name} is not a GGUF file: expected it to begin with "GGUF" (46554747), found ${found}.`);
  }
  if (version === ggufVersion) return;
  if (version !== 0 && version % 0x1000000 === 0) {
    throw new FormatError(`${name} is a big-endian GGUF file; only little-endian files are read. Convert it to little-endian.`);
  }
  const advice = version < ggufVersion ? 'Convert the model again with a current converter.' : 'A newer release of Ingot may read it.';
  throw new FormatError(`${name} is GGUF version ${version}; only version ${ggufVersion} is read. ${advice}`);
}

function takeCount(cursor: HeaderCursor, most: number, minBytes: number, what: string): number {
  const count = cursor.takeSize(`the count of ${what}`);
  cursor.checkFits(count * minBytes, `${count} ${what}`);
  if (count > most) throw cursor.error(`the file says it has ${count} ${what}; at most ${most} are expected. The file is damaged.`);
  return count;
}

function alignmentOf(metadata: ReadonlyMap<string, MetadataValue>, name: string): number {
  const alignment = metadataNumber(metadata, 'general.alignment', name) ?? defaultAlignment;
  if (Number.isInteger(alignment) && alignment >= 1 && alignment <= maxAlignment && (alignment & (alignment - 1)) === 0) {
    return alignment;
  }
  throw new FormatError(
    `${name}: general.alignment must be a power of two up to ${maxAlignment}, found ${alignment}. The file is damaged.`,
  );
}

/** Reads one tensor's entry; `fileOffset` is still counted from the start of the data. */
async function readTensorPlace(cursor: HeaderCursor, alignment: number, what: string): Promise<TensorPlace> {
  const name = await readGgufName(cursor, `the name of ${what}`);
  const tensor = `tensor ${JSON.stringify(name.slice(0, 100))}`;
  await cursor.require(4, `the rank of ${tensor}`);
  const rank = cursor.takeU32();
  if (rank > maxDims) throw cursor.error(`${tensor} has ${rank} dimensions; at most ${maxDims} are allowed. The file is damaged.`);
  await cursor.require(rank * 8 + 12, `the shape, type and offset of ${tensor}`);
  // GGUF lists the innermost dimension first.
  const shape = Array.from({ length: rank }, () => cursor.takeSize(`a dimension of ${tensor}`)).toReversed();
  const ggmlId = cursor.takeU32();
  const fileOffset = cursor.takeSize(`the offset of ${tensor}`);
  const type = tensorTypeOfGgmlId(ggmlId);
  if (type === undefined) {
    throw cursor.error(
      `${tensor} has the type with ggml id ${ggmlId}, which is not known here. Convert the model to another type, such as q8_0.`,
    );
  }
  const count = elementCount(shape);
  if (count === undefined || count === 0) throw cursor.error(`${tensor} has the absurd shape [${shape.join(', ')}]. The file is damaged.`);
  const { blockSize } = TENSOR_TYPES[type];
  if ((shape.at(-1) ?? 1) % blockSize !== 0) {
    throw cursor.error(
      `${tensor} has rows of ${shape.at(-1) ?? 1} elements, but ${type} needs a multiple of ${blockSize}. The file is damaged.`,
    );
  }
  if (fileOffset % alignment !== 0) {
    throw cursor.error(
      `${tensor} has the offset ${fileOffset}, which is not a multiple of the alignment ${alignment}. The file is damaged.`,
    );
  }
  return { name, type, shape, sizeBytes: bytesOfElements(type, count), fileOffset };
}
