/** A model that speaks, from a path or URL, with the voices beside it. */
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import { checkMostFrames, MOST_FRAMES, openVoiceModel, weightsNameOf } from '../engine/speech/open-voice-model.ts';
import type { Phonemizer, VoiceModel } from '../engine/speech/voice-model.ts';
import { readText } from '../files/read-text.ts';
import { MOST_CONFIG_BYTES, openVoiceFolder } from '../files/voice-folder.ts';
import { openKokoro } from '../models/kokoro/kokoro.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
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

/**
 * Loads Kokoro: a folder with config.json, its weights (safetensors, or the published kokoro-v1_0.pth) and voices/NAME.pt, .safetensors or
 * .bin; or a file of weights in such a folder. Call its `dispose()` when done.
 * @throws as `loadModel`
 */
export async function loadVoiceModel(pathOrUrl: string, options: LoadVoiceModelOptions = {}): Promise<VoiceModel> {
  checkOptionNames(options, LOAD_NAMES, 'loadVoiceModel');
  checkOperation(options);
  const { mostFrames, phonemizer = espeakPhonemizer(), signal, onProgress } = options;
  checkMostFrames(mostFrames);
  const location = await locate(pathOrUrl, { signal, onProgress });
  return openVoiceModel(location, { executor: await openExecutor(options), mostFrames, phonemizer, signal, onProgress });
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
  const checkpoint = await openVoiceFolder(folder, weightsNameOf(fileName), { signal });
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
