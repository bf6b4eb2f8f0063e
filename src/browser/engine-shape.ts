/** What a page asks of the engine's worker. */
import type { CreateModelOptions } from '../engine/model.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { OpenSpeechModelOptions } from '../engine/speech/open-speech-model.ts';
import type { OpenVoiceModelOptions } from '../engine/speech/open-voice-model.ts';
import type { Phonemizer, VoiceModel } from '../engine/speech/voice-model.ts';
import type { OpenTalkModelOptions } from '../engine/talk/open-talk-model.ts';
import type { TalkModel } from '../engine/talk/talk-model.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { EspeakUrls } from './fetch-espeak.ts';
import type { ImageDecoderUrls } from './fetch-image-decoder.ts';
import { MODEL_IN_WORKER_SHAPE } from './model-shape.ts';
import type { InWorker, ModelInWorker } from './model-shape.ts';
import type { ExecutorChoice } from './open-executor.ts';
import type { FileOfPage, ModelSource, SourceOptions } from './open-source.ts';
import type { ShapeOf } from './remote/shape.ts';
import { SPEECH_SHAPE, TALK_SHAPE, VOICE_SHAPE } from './speech-shape.ts';

/** What every load takes. */
export interface LoadBasics extends ExecutorChoice, Omit<SourceOptions, 'mmproj'> {
  readonly onProgress?: OnProgress | undefined;
}

export interface EngineLoadOptions
  extends
    Omit<CreateModelOptions, 'checkpoint' | 'executor' | 'imageDecoder' | 'chatFiles' | 'spareMemory' | 'signal' | 'onProgress'>,
    LoadBasics,
    Pick<SourceOptions, 'mmproj'> {
  readonly imageDecoders?: Omit<ImageDecoderUrls, 'signal'> | undefined;
}

export interface SpeechLoadOptions extends LoadBasics, Pick<OpenSpeechModelOptions, 'quantize'> {
  /** Of a model whose files hold none: a tokenizer.json, a GGUF file, or the folder of either. */
  readonly tokenizer?: ModelSource | undefined;
  /** Silero's voice detector, a safetensors file. Default: the one that comes with the package, which bundlers find by themselves. */
  readonly detector?: FileOfPage | undefined;
}

export interface VoiceLoadOptions extends LoadBasics, Pick<OpenVoiceModelOptions, 'mostFrames'> {
  /** What makes phonemes of words. */
  readonly phonemizer?: Phonemizer | undefined;
  readonly espeak?: EspeakUrls | undefined;
}

export interface TalkLoadOptions extends LoadBasics, Pick<OpenTalkModelOptions, 'quantize' | 'contextLength' | 'mostSeconds'> {
  /** As of a model that hears. */
  readonly tokenizer?: ModelSource | undefined;
}

export interface WorkerEngine {
  loadModel(source: ModelSource, options: EngineLoadOptions): Promise<ModelInWorker>;
  loadSpeechModel(source: ModelSource, options: SpeechLoadOptions): Promise<InWorker<SpeechModel>>;
  loadVoiceModel(source: ModelSource, options: VoiceLoadOptions): Promise<InWorker<VoiceModel>>;
  loadTalkModel(source: ModelSource, options: TalkLoadOptions): Promise<InWorker<TalkModel>>;
}

export const ENGINE_SHAPE = {
  loadModel: { opens: () => MODEL_IN_WORKER_SHAPE },
  loadSpeechModel: { opens: () => SPEECH_SHAPE },
  loadVoiceModel: { opens: () => VOICE_SHAPE },
  loadTalkModel: { opens: () => TALK_SHAPE },
} as const satisfies ShapeOf<WorkerEngine>;
