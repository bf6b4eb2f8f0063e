/** Who is talked with live: a cascade of models, or one that hears and speaks, from paths. */
import { createCascade } from '../engine/talk/cascade/cascade.ts';
import type { CascadeParts } from '../engine/talk/cascade/cascade.ts';
import { createModelTalker } from '../engine/talk/live/model-talker.ts';
import type { Talker } from '../engine/talk/live/talker.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { loadModel } from './load-model.ts';
import type { DeviceChoice } from './device-choice.ts';
import { loadSpeechModel } from './load-speech-model.ts';
import { loadTalkModel } from './load-talk-model.ts';
import { loadVoiceDetector } from './load-voice-detector.ts';
import { loadVoiceModel } from './load-voice-model.ts';
import type { LoadVoiceModelOptions } from './load-voice-model.ts';
import { bundledDetectorPath } from './package-root.ts';

/** Paths, URLs or ids of the models of a cascade. */
export interface CascadePaths {
  /** Hears, as `loadSpeechModel` takes it. Without it what is said is text. */
  readonly ears?: string | undefined;
  /** Answers, as `loadModel` takes it. */
  readonly model: string;
  /** Speaks, as `loadVoiceModel` takes it. Without it answers are text. */
  readonly voice?: string | undefined;
}

export interface LoadTalkerOptions extends Pick<LoadVoiceModelOptions, 'phonemizer'> {
  /** As `loadModel`'s, of all models. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** As `loadModel`'s. */
  readonly threads?: number | undefined;
  /** Of the model that answers, as `loadModel`'s. */
  readonly quantize?: QuantizeType | undefined;
  /** Most positions of a conversation. Default: as `loadModel` and `loadTalkModel`. */
  readonly contextLength?: number | undefined;
  /** Path of a tokenizer for the model that hears, or that does all, where its files hold none. */
  readonly tokenizer?: string | undefined;
  /** Path of Silero's voice detector. Default: the one that comes with the package. */
  readonly detector?: string | undefined;
  /** Of a cascade's chats. */
  readonly chat?: CascadeParts['chat'];
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const LOAD_NAMES: NamesOf<LoadTalkerOptions> = {
  device: true, threads: true, quantize: true, contextLength: true, tokenizer: true, detector: true, chat: true, phonemizer: true,
  signal: true, onProgress: true,
};
const PATH_NAMES: NamesOf<CascadePaths> = { ears: true, model: true, voice: true };

interface Owned {
  dispose(): Promise<void>;
}

/**
 * Loads who is talked with. Call its `dispose()` when done: it frees the models.
 * @param what the path, URL or id of an LFM2.5-Audio, or those of a cascade
 * @throws as `loadModel`, for each of the models
 */
export async function loadTalker(what: string | CascadePaths, options: LoadTalkerOptions = {}): Promise<Talker> {
  checkOptionNames(options, LOAD_NAMES, 'loadTalker');
  checkOperation(options);
  if (typeof what !== 'string') checkPaths(what);
  const owned: Owned[] = [];
  const own = <Model extends Owned>(model: Model): Model => {
    owned.push(model);
    return model;
  };
  try {
    const talker = await (typeof what === 'string' ? talkerOfModel(what, options, own) : talkerOfCascade(what, options, own));
    return { ...talker, dispose: () => disposeAll([talker, ...owned]) };
  } catch (error) {
    await disposeAll(owned);
    throw error;
  }
}

function checkPaths(paths: CascadePaths): void {
  checkOptionNames(paths, PATH_NAMES, 'a cascade');
  if (typeof paths.model !== 'string')
    throw new InputError(`a cascade needs the path of a model that answers, found ${describeValue(paths.model)}.`);
}

async function disposeAll(owned: readonly Owned[]): Promise<void> {
  for (const one of owned) await one.dispose();
}

type Own = <Model extends Owned>(model: Model) => Model;

async function talkerOfModel(path: string, { phonemizer, chat, detector, ...options }: LoadTalkerOptions, own: Own): Promise<Talker> {
  if (phonemizer !== undefined || chat !== undefined)
    throw new InputError(`${phonemizer === undefined ? 'chat' : 'phonemizer'} is for a cascade: a model that hears and speaks has none.`);
  const model = own(await loadTalkModel(path, options));
  return createModelTalker(model, own(await loadVoiceDetector(detector ?? bundledDetectorPath(), { signal: options.signal })));
}

async function talkerOfCascade(paths: CascadePaths, options: LoadTalkerOptions, own: Own): Promise<Talker> {
  const { device, threads, quantize, contextLength, tokenizer, detector, phonemizer, chat, signal, onProgress } = options;
  const shared = { device, threads, signal, onProgress };
  const ears = paths.ears === undefined ? undefined : own(await loadSpeechModel(paths.ears, { ...shared, tokenizer }));
  const model = own(await loadModel(paths.model, { ...shared, quantize, contextLength }));
  const voice = paths.voice === undefined ? undefined : own(await loadVoiceModel(paths.voice, { ...shared, phonemizer }));
  return createCascade({ ears, model, voice, chat, detector: own(await loadVoiceDetector(detector ?? bundledDetectorPath(), { signal })) });
}
