/** The voices beside a model that speaks: `voices/NAME.safetensors`, `.pt` or `.bin`. */
import { readSafetensors } from '../../files/safetensors-reader.ts';
import { readTorchFile } from '../../files/torch-file.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../../tensor/byte-source.ts';
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { decodeRows } from '../../tensor/codec/decode-rows.ts';
import { FormatError, InputError } from '../../tensor/errors.ts';
import { elementsOf, isWeightType } from '../../tensor/tensor-type.ts';
import type { VoiceSource } from './voice-model.ts';
import { voicePack } from './voice-pack.ts';
import type { VoicePack } from './voice-pack.ts';

const FORMS = ['.safetensors', '.pt', '.bin'] as const;

/** Most bytes of a voice: the published ones have 522,240. */
const MOST_VOICE_BYTES = 64 * 1024 * 1024;

/** @param width values of a row of a voice */
export async function voiceFiles(folder: SourceFolder, width: number): Promise<VoiceSource> {
  const files = (await folder.list?.('voices')) ?? [];
  const found = files.flatMap((file) => FORMS.filter((form) => file.endsWith(form)).map((form) => file.slice(0, -form.length)));
  const names = [...new Set(found)].toSorted();
  return {
    names,
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
