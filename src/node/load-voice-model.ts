/** A model that speaks, from a path or URL, with the voices beside it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import { createKokoroSpeaker } from '../engine/speech/kokoro/kokoro-speaker.ts';
import { createVoiceModel } from '../engine/speech/voice-model.ts';
import type { Phonemizer, VoiceModel, VoiceSource } from '../engine/speech/voice-model.ts';
import { voicePack } from '../engine/speech/voice-pack.ts';
import type { VoicePack } from '../engine/speech/voice-pack.ts';
import { readText } from '../files/read-text.ts';
import { readSafetensors } from '../files/safetensors-reader.ts';
import { readTorchFile } from '../files/torch-file.ts';
import { MOST_CONFIG_BYTES, openVoiceFolder } from '../files/voice-folder.ts';
import { openKokoro, readSourceWeights } from '../models/kokoro/kokoro.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { TensorEntry } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { checkInteger, checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { elementsOf, isWeightType } from '../tensor/tensor-type.ts';
import { espeakPhonemizer } from './espeak-phonemizer.ts';
import { openExecutor } from './load-model.ts';
import type { DeviceChoice } from './device-choice.ts';
import { locate } from './open-path.ts';

export interface LoadVoiceModelOptions {
  /** As `loadModel`'s. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** As `loadModel`'s. */
  readonly threads?: number | undefined;
  /**
   * Frames of 25 ms that are made at once, at most: memory grows with them by about 1 MB each, and a longer sentence is cut. Default 400
   * (10 s).
   */
  readonly mostFrames?: number | undefined;
  /** What makes phonemes of words. Default: espeak-ng, of the npm package of that name, where it is installed. */
  readonly phonemizer?: Phonemizer | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const LOAD_NAMES: NamesOf<LoadVoiceModelOptions> = {
  device: true, threads: true, mostFrames: true, phonemizer: true, signal: true, onProgress: true,
};
const MOST_FRAMES = 400;

/**
 * Loads Kokoro: a folder with config.json, its weights (safetensors, or the published kokoro-v1_0.pth) and voices/NAME.pt, .safetensors or
 * .bin; or a file of weights in such a folder. Call its `dispose()` when done.
 * @throws as `loadModel`
 */
export async function loadVoiceModel(pathOrUrl: string, options: LoadVoiceModelOptions = {}): Promise<VoiceModel> {
  checkOptionNames(options, LOAD_NAMES, 'loadVoiceModel');
  checkOperation(options);
  const { mostFrames = MOST_FRAMES, phonemizer = espeakPhonemizer(), signal, onProgress } = options;
  checkInteger('mostFrames', mostFrames, { min: 50, max: 4000 });
  const { folder, fileName } = await locate(pathOrUrl, { signal, onProgress });
  const weightsName = fileName === 'config.json' ? undefined : fileName;
  const checkpoint = await openVoiceFolder(folder, weightsName, { signal });
  try {
    const opened = openKokoro(checkpoint);
    const { config } = opened;
    const source = await readSourceWeights(checkpoint, config, { signal });
    const executor = await openExecutor(options);
    const speaker = await createKokoroSpeaker({ ...opened, source }, executor, { mostFrames, signal, onProgress });
    const voices = await voicesOf(folder, 2 * config.style);
    const { name, architecture } = checkpoint;
    return createVoiceModel({
      info: { name, architecture, device: executor.description, warnings: config.warnings }, speaker, voices, phonemizer,
    });
  } finally {
    await checkpoint.close();
  }
}

/**
 * What a model that speaks takes, by its headers and `mostFrames`; undefined for a place that holds another kind.
 * @throws as {@link loadVoiceModel} for a damaged one
 */
export async function voiceMemoryNeeds(
  pathOrUrl: string,
  { mostFrames = MOST_FRAMES, signal, onProgress }: Pick<LoadVoiceModelOptions, 'mostFrames' | 'signal' | 'onProgress'> = {},
): Promise<MemoryNeeds | undefined> {
  const { folder, fileName } = await locate(pathOrUrl, { signal, onProgress, reads: 'headers' });
  if (fileName !== undefined && fileName !== 'config.json' && !/\.(pth|safetensors)$/.test(fileName)) return undefined;
  const config = await readText(await folder.open('config.json', { signal }), MOST_CONFIG_BYTES, { signal });
  if (config === undefined || !('istftnet' in parseJsonObject(config, `${folder.name}: config.json`))) return undefined;
  const checkpoint = await openVoiceFolder(folder, fileName === 'config.json' ? undefined : fileName, { signal });
  try {
    const { config: { bert } } = openKokoro(checkpoint);
    const bytes = checkpoint.sizeBytes + mostFrames * FRAME_BYTES;
    return { bytes, contextLength: bert.positions, contextIn: (there) => (bytes <= there ? bert.positions : 0) };
  } finally {
    await checkpoint.close();
  }
}

/** Values of the generator for each frame, of the published sizes. */
const FRAME_BYTES = 1024 * 1024;

const FORMS = ['.safetensors', '.pt', '.bin'] as const;

async function voicesOf(folder: SourceFolder, width: number): Promise<VoiceSource> {
  const files = await readdir(join(folder.name, 'voices')).catch(() => []);
  const names = [...new Set(files.flatMap((file) =>
    FORMS.filter((form) => file.endsWith(form)).map((form) => file.slice(0, -form.length))))];
  return {
    names: names.toSorted(),
    async load(name) {
      if (!/^[\w-]{1,64}$/.test(name))
        throw new InputError(
          `voice must be the name of a file in voices/, without its ending, found ${JSON.stringify(name.slice(0, 80))}.`,
        );
      for (const form of FORMS) {
        const file = await folder.open(`voices/${name}${form}`);
        if (file !== undefined) return readVoice(name, file, width);
      }
      const there = names.length === 0 ? `${folder.name} has no folder voices` : `there are ${names.slice(0, 60).join(', ')}`;
      throw new InputError(`there is no voice ${JSON.stringify(name)}: ${there}.`);
    },
  };
}

/** Most bytes of a voice: the published ones have 522,240. */
const MOST_VOICE_BYTES = 64 * 1024 * 1024;

async function readVoice(name: string, file: ByteSource, width: number): Promise<VoicePack> {
  try {
    if (file.sizeBytes > MOST_VOICE_BYTES)
      throw new FormatError(`${file.name} has ${file.sizeBytes} bytes: a voice has ${MOST_VOICE_BYTES} at most.`);
    if (file.name.endsWith('.bin')) return await readRaw(name, file, width);
    const read = file.name.endsWith('.pt') ? readTorchFile : readSafetensors;
    const tensors = await read(file, file.name);
    const [entry] = [...tensors.values()] as [TensorEntry?];
    if (entry === undefined || tensors.size !== 1)
      throw new FormatError(`${file.name}: expected one tensor, [rows, 1, ${width}], found ${tensors.size}.`);
    return voicePack(name, await valuesOf(entry), entry.shape, width);
  } finally {
    await file.close();
  }
}

/** Floats one after another, without a header. */
async function readRaw(name: string, file: ByteSource, width: number, options?: ReadOptions): Promise<VoicePack> {
  if (file.sizeBytes === 0 || file.sizeBytes % (4 * width) !== 0)
    throw new FormatError(
      `${file.name}: expected rows of ${4 * width} bytes, found ${file.sizeBytes} bytes. It is of another model, or damaged.`,
    );
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(0, bytes, options);
  return voicePack(name, new Float32Array(bytes.buffer), [file.sizeBytes / (4 * width), width], width);
}

async function valuesOf({ name, type, shape, sizeBytes, read }: TensorEntry): Promise<Float32Array> {
  if (!isWeightType(type)) throw new FormatError(`voice tensor ${name}: expected floats, found ${type}.`);
  const bytes = new Uint8Array(sizeBytes);
  await read(0, bytes);
  const values = new Float32Array(elementsOf(shape));
  decodeRows(type, bytes, values);
  return values;
}
