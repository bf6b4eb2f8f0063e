import { FormatError } from '../tensor/errors.ts';
import type { ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { openRequired } from '../tensor/open-required.ts';
import { openGguf } from './gguf-reader.ts';
import { openHfFolder } from './hf-folder.ts';
import { openWhisperGgml, WHISPER_GGML_MAGIC } from './whisper-ggml.ts';

/** A model's place: a folder, and the file of it that was meant where one was. */
export interface CheckpointLocation {
  readonly folder: SourceFolder;
  /** A GGUF file, a ggml file of whisper.cpp, a safetensors file or a safetensors index; absent for a Hugging Face folder. */
  readonly fileName?: string | undefined;
  /** The file of a GGUF model's tower and projector (llama.cpp's mmproj). */
  readonly projector?: ProjectorLocation | undefined;
}

export interface ProjectorLocation {
  readonly folder: SourceFolder;
  readonly fileName: string;
  /** The user named it; else it was found beside the model, and is left alone where it is of another model, or damaged. */
  readonly isNamed: boolean;
}

/**
 * Opens a model of any supported format. Reads headers, metadata and text files, nothing of the tensors.
 * The caller closes it.
 * @throws FormatError for a damaged, unsupported or incomplete model, and for such a projector that was named; the signal's reason when it
 * aborts.
 */
export async function openCheckpoint({ projector, ...location }: CheckpointLocation, options?: ReadOptions): Promise<Checkpoint> {
  const checkpoint = await openModel(location, options);
  if (projector === undefined) return checkpoint;
  try {
    if (checkpoint.format !== 'gguf')
      throw new FormatError(
        `${checkpoint.name}: a projector of its own (${projector.fileName}) is for GGUF files; a folder holds its tower itself.`,
      );
    const own = await openGguf(projector.folder, projector.fileName, options);
    return {
      ...checkpoint,
      projector: { checkpoint: own, isNamed: projector.isNamed },
      async close() {
        await own.close();
        await checkpoint.close();
      },
    };
  } catch (error) {
    if (error instanceof FormatError && !projector.isNamed) return { ...checkpoint, projectorProblem: error.message };
    await checkpoint.close();
    throw error;
  }
}

async function openModel({ folder, fileName }: CheckpointLocation, options?: ReadOptions): Promise<Checkpoint> {
  if (fileName === undefined) return openHfFolder(folder, undefined, options);
  if (/\.gguf$/i.test(fileName)) return openGguf(folder, fileName, options);
  const magic = await magicOf(folder, fileName, options);
  if (magic === 'GGUF') return openGguf(folder, fileName, options);
  if (magic === WHISPER_GGML_MAGIC) return openWhisperGgml(folder, fileName, options);
  if (/\.safetensors$|index\.json$/i.test(fileName)) return openHfFolder(folder, fileName, options);
  if (fileName === 'config.json') return openHfFolder(folder, undefined, options);
  if (/\.nemo$/i.test(fileName)) {
    throw new FormatError(
      `${folder.name}: ${JSON.stringify(fileName)} is an archive of NeMo, which is not read. Get the same model as transformers has it: ` +
        'a folder with config.json and model.safetensors, as nvidia/parakeet-tdt-0.6b-v3 has beside its .nemo file, or one that ' +
        "transformers' script convert_nemo_to_hf.py of models/parakeet makes of it.",
    );
  }
  throw new FormatError(
    `${folder.name}: ${JSON.stringify(fileName)} is not a model file. Expected a .gguf file, a ggml-*.bin of whisper.cpp, a .safetensors ` +
      'file, its index.json, or a folder that holds config.json.',
  );
}

/** The first four bytes; empty for a file that has fewer. */
async function magicOf(folder: SourceFolder, fileName: string, options: ReadOptions | undefined): Promise<string> {
  const source = await openRequired(folder, fileName, options);
  try {
    const magic = new Uint8Array(4);
    if (source.sizeBytes < magic.length) return '';
    await source.read(0, magic, options);
    return String.fromCharCode(...magic);
  } finally {
    await source.close();
  }
}
