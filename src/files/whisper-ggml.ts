/**
 * A ggml file of whisper.cpp (`ggml-base.en.bin`) as a checkpoint. Layout, little-endian (whisper.cpp, models/convert-pt-to-ggml.py and
 * `whisper_model_load`): magic, eleven integers, mel filters, tokens, then tensor by tensor a header and its data, without alignment.
 * A header is rank, length of the name, ggml's type, the sizes from the innermost on, and the name, which is OpenAI's.
 */
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { Checkpoint, MetadataValue, TensorEntry } from '../tensor/checkpoint.ts';
import { openRequired } from '../tensor/open-required.ts';
import { bytesOfElements, TENSOR_TYPES, tensorTypeOfGgmlId } from '../tensor/tensor-type.ts';
import { HeaderCursor } from './header-cursor.ts';
import { elementCount, tensorEntry } from './tensor-entry.ts';
import type { TensorPlace } from './tensor-entry.ts';
import { listedVocabulary, readListedTokens } from './whisper-ggml-vocabulary.ts';

/** As the first four bytes of the file read in order. */
export const WHISPER_GGML_MAGIC = 'lmgg';

const MAGIC = 0x67676d6c;
const MOST_TENSORS = 1 << 16;
const MOST_DIMS = 4;
const MOST_NAME_BYTES = 255;
/** Blocks of the layouts that ggml has had since May 2023. */
const BLOCKS_VERSION = 2;
const VERSION_FACTOR = 1000;
/** `ggml_ftype` of files without blocks: f32, f16, bf16. */
const FLOAT_FILES = [0, 1, 24];
const LARGEST = 1 << 24;

/** In the order of the file. */
const SIZES = [
  'vocabSize', 'soundPositions', 'dim', 'encoderHeads', 'encoderLayers', 'contextLength', 'textDim', 'heads', 'layers', 'melBands',
] as const;
type Sizes = Readonly<Record<(typeof SIZES)[number], number>>;

/**
 * Opens such a file. Reads what is before the tensors and each tensor's header, nothing of their data.
 * @throws FormatError for a damaged file, and for one of another model than Whisper
 */
export async function openWhisperGgml(folder: SourceFolder, fileName: string, options?: ReadOptions): Promise<Checkpoint> {
  const source = await openRequired(folder, fileName, options);
  try {
    const cursor = new HeaderCursor(source, source.sizeBytes, options);
    const sizes = await readSizes(cursor);
    const filters = await readFilters(cursor, sizes.melBands);
    const vocabulary = listedVocabulary(await readListedTokens(cursor, sizes.vocabSize), sizes.vocabSize);
    const tensors = await readTensors(cursor, source, fileName);
    return {
      format: 'gguf',
      name: source.name,
      architecture: 'whisper',
      metadata: new Map<string, MetadataValue>([...metadataOf(sizes), ['whisper.mel_filters', filters], ...vocabulary]),
      config: undefined,
      tensors,
      assets: new Map(),
      sizeBytes: source.sizeBytes,
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readSizes(cursor: HeaderCursor): Promise<Sizes> {
  await cursor.require(4 * (SIZES.length + 2), 'the magic and the sizes of the model');
  const magic = cursor.takeU32();
  if (magic !== MAGIC) throw cursor.error(`expected the magic of a ggml file (67676d6c), found ${magic.toString(16).padStart(8, '0')}.`);
  const sizes = Object.fromEntries(SIZES.map((name) => [name, cursor.takeI32()])) as Sizes;
  const fileType = cursor.takeI32();
  const isOdd = Object.values(sizes).some((size) => size < 1 || size > LARGEST);
  if (isOdd || sizes.dim !== sizes.textDim || sizes.dim % sizes.heads !== 0 || sizes.dim % sizes.encoderHeads !== 0) {
    const shown = SIZES.map((name) => `${name} ${sizes[name]}`).join(', ');
    throw cursor.error(
      `expected the sizes of a Whisper model, found ${shown}. The file is damaged, or of another model (ggml files of GPT-2 and others ` +
        'begin alike).',
    );
  }
  const version = Math.floor(fileType / VERSION_FACTOR);
  if (!FLOAT_FILES.includes(fileType % VERSION_FACTOR) && version !== BLOCKS_VERSION) {
    throw cursor.error(
      `its weights are in blocks of version ${version} of ggml; only version ${BLOCKS_VERSION} is read. Quantise it again with a current ` +
        'whisper.cpp.',
    );
  }
  return sizes;
}

/** Factors of each band and bin, [bands, bins]. */
async function readFilters(cursor: HeaderCursor, melBands: number): Promise<Float32Array> {
  await cursor.require(8, 'the sizes of the mel filters');
  const [bands, bins] = [cursor.takeI32(), cursor.takeI32()];
  if (bands !== melBands || bins < 1 || bins > LARGEST)
    throw cursor.error(`expected mel filters of ${melBands} bands, found ${bands} bands of ${bins} bins. The file is damaged.`);
  const what = `mel filters of ${bands} bands and ${bins} bins`;
  cursor.checkFits(4 * bands * bins, what);
  await cursor.require(4 * bands * bins, what);
  const filters = Float32Array.from({ length: bands * bins }, () => cursor.takeF32());
  if (!filters.every((factor) => Number.isFinite(factor))) throw cursor.error('a mel filter is not a finite number. The file is damaged.');
  return filters;
}

/** What a GGUF file of the same model says. The width of the MLPs is not in the file: whisper.cpp has it as four times the model's. */
function metadataOf(sizes: Sizes): [string, MetadataValue][] {
  const of = (side: 'encoder' | 'decoder', values: Readonly<Record<string, number>>) =>
    Object.entries({ embedding_length: sizes.dim, feed_forward_length: 4 * sizes.dim, ...values })
      .map(([key, value]): [string, number] => [`whisper.${side}.${key}`, value]);
  return [
    ['general.architecture', 'whisper'],
    ...of('encoder', {
      context_length: sizes.soundPositions, block_count: sizes.encoderLayers, 'attention.head_count': sizes.encoderHeads,
      mels_count: sizes.melBands,
    }),
    ...of('decoder', { context_length: sizes.contextLength, block_count: sizes.layers, 'attention.head_count': sizes.heads }),
  ];
}

async function readTensors(cursor: HeaderCursor, source: ByteSource, fileName: string): Promise<Map<string, TensorEntry>> {
  const tensors = new Map<string, TensorEntry>();
  while (cursor.remaining > 0) {
    if (tensors.size >= MOST_TENSORS) throw cursor.error(`it has more than ${MOST_TENSORS} tensors. The file is damaged.`);
    const place = await readTensorPlace(cursor, `tensor ${tensors.size}`);
    if (tensors.has(place.name)) throw cursor.error(`the tensor ${JSON.stringify(place.name)} occurs twice. The file is damaged.`);
    tensors.set(place.name, tensorEntry(place, source, fileName));
    cursor.skip(place.sizeBytes, `the data of ${JSON.stringify(place.name)}`);
  }
  return tensors;
}

async function readTensorPlace(cursor: HeaderCursor, what: string): Promise<TensorPlace> {
  await cursor.require(12, `the header of ${what}`);
  const [rank, nameBytes, ggmlId] = [cursor.takeI32(), cursor.takeI32(), cursor.takeI32()];
  if (rank < 1 || rank > MOST_DIMS || nameBytes < 1 || nameBytes > MOST_NAME_BYTES)
    throw cursor.error(`${what} has ${rank} dimensions and a name of ${nameBytes} bytes. The file is damaged.`);
  await cursor.require(4 * rank + nameBytes, `the shape and name of ${what}`);
  const inFile = Array.from({ length: rank }, () => cursor.takeI32()).toReversed();
  const name = String.fromCharCode(...cursor.takeBytes(nameBytes));
  const tensor = `tensor ${JSON.stringify(name)}`;
  const type = tensorTypeOfGgmlId(ggmlId);
  if (type === undefined) throw cursor.error(`${tensor} has the type with ggml id ${ggmlId}, which is not known here.`);
  const count = elementCount(inFile);
  if (count === undefined || inFile.some((size) => size < 1))
    throw cursor.error(`${tensor} has the absurd shape [${inFile.join(', ')}]. The file is damaged.`);
  const { blockSize } = TENSOR_TYPES[type];
  if (inFile.at(-1)! % blockSize !== 0)
    throw cursor.error(`${tensor} has rows of ${inFile.at(-1)}, but ${type} needs a multiple of ${blockSize}. The file is damaged.`);
  // The biases of convolutions have a second dimension of one.
  const shape = name.endsWith('.bias') && inFile.length === 2 && inFile[1] === 1 ? inFile.slice(0, 1) : inFile;
  return { name, type, shape, sizeBytes: bytesOfElements(type, count), fileOffset: cursor.offset };
}
