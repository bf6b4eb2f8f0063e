/** A model that hears, from a path, with what it needs beside it. */
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import { openSpeechModel, speechBytes } from '../engine/speech/open-speech-model.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { openExecutor } from './load-model.ts';
import type { DeviceChoice } from './device-choice.ts';
import { tokenizerOfModel } from './load-tokenizer.ts';
import { loadVoiceDetector } from './load-voice-detector.ts';
import { locate } from './open-path.ts';
import { bundledDetectorPath } from './package-root.ts';

export interface LoadSpeechModelOptions {
  /** As `loadModel`'s. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** As `loadModel`'s. */
  readonly threads?: number | undefined;
  /** As `loadModel`'s. */
  readonly quantize?: QuantizeType | undefined;
  /** Path of a tokenizer, for a model whose files hold none. */
  readonly tokenizer?: string | undefined;
  /** Path of Silero's voice detector. Default: the one that comes with the package. */
  readonly detector?: string | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const LOAD_NAMES: NamesOf<LoadSpeechModelOptions> = {
  device: true, threads: true, quantize: true, tokenizer: true, detector: true, signal: true, onProgress: true,
};

/**
 * Loads a model that hears (Moonshine and Parakeet, with the detector that cuts what they are given; Whisper). Call its `dispose()` when
 * done.
 * @throws as `loadModel`; InputError also for a model that does not hear, FormatError for one without a tokenizer where none is named
 */
export async function loadSpeechModel(pathOrUrl: string, options: LoadSpeechModelOptions = {}): Promise<SpeechModel> {
  checkOptionNames(options, LOAD_NAMES, 'loadSpeechModel');
  checkOperation(options);
  const { signal, quantize, onProgress, detector = bundledDetectorPath() } = options;
  const executor = await openExecutor(options);
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress }), { signal });
  try {
    return await openSpeechModel({
      checkpoint, executor, quantize, signal, onProgress,
      openTokenizer: () => tokenizerOfModel(checkpoint, options),
      openDetector: (own) => loadVoiceDetector(detector, own),
    });
  } finally {
    await checkpoint.close();
  }
}

/** What a model that hears takes, by its headers; undefined for a model that does not hear. Reads headers only. */
export async function speechMemoryNeeds(
  pathOrUrl: string, { quantize, signal, onProgress }: Pick<LoadSpeechModelOptions, 'quantize' | 'signal' | 'onProgress'> = {},
): Promise<MemoryNeeds | undefined> {
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress, reads: 'headers' }), { signal });
  try {
    const decoder = await openDecoder(checkpoint, { quantize, signal });
    const bytes = speechBytes(checkpoint, decoder);
    if (bytes === undefined) return undefined;
    const { contextLength } = decoder.config;
    return { bytes, contextLength, contextIn: (there) => (bytes <= there ? contextLength : 0) };
  } finally {
    await checkpoint.close();
  }
}
