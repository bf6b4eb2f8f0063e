/** Ingot's core: everything that runs in a browser and in a worker as well as in Node. */
export type * from './engine/api.ts';
export { openAudio, openAudioPieces } from './audio/open-audio.ts';
export type { OpenAudioOptions } from './audio/open-audio.ts';
export { mixDown } from './audio/audio-stream.ts';
export type { AudioFormat, AudioStream, StreamStage, Waveform } from './audio/audio-stream.ts';
export { createResampler, resample } from './audio/resample.ts';
export { encodeWav, wavHeader } from './audio/wav-writer.ts';
export type { WavOptions } from './audio/wav-writer.ts';
export { readPcm } from './audio/pcm-reader.ts';
export type { PcmFormat } from './audio/pcm-reader.ts';
export type { WavEncoding } from './audio/wav-samples.ts';
export { createImageDecoder } from './image/image-decoder.ts';
export type { DecodeOptions, DecoderModules, ImageDecoder } from './image/image-decoder.ts';
export type { Image } from './image/image.ts';
export { BOXES_SCHEMA, POINTS_SCHEMA, readGrounding } from './text/grounding.ts';
export type { GroundedBox, GroundedPoint, Grounding, ImageSize } from './text/grounding.ts';
export { imagePart, videoPart } from './engine/images/image-source.ts';
export type { ImageSource, VideoSource } from './engine/images/image-source.ts';
export type { ImageLimits } from './engine/images/image-cache.ts';
export { createTurnTaking } from './audio/turn-taking.ts';
export type { TurnEvent, TurnOptions, TurnTaking } from './audio/turn-taking.ts';
export type { LiveEvent } from './engine/speech/live-turns.ts';
export type {
  OpenTalkOptions, TalkConversation, TalkModel, TalkModelInfo, TalkOptions, TalkTask, TalkVoice,
} from './engine/talk/talk-model.ts';
export type { HeardAnswer, SayOptions, TalkOutput, TalkUsage } from './engine/talk/talk.ts';
export type { ComingSound, HeardSound } from './engine/talk/hear-sound.ts';
export type { TalkEvent } from './engine/talk/talk-flow.ts';
export type { TalkBefore, TalkTurn } from './engine/talk/talk-turns.ts';
export { createCascade } from './engine/talk/cascade/cascade.ts';
export type { CascadeParts } from './engine/talk/cascade/cascade.ts';
export { createModelTalker } from './engine/talk/live/model-talker.ts';
export type { SoundPlayer } from './engine/talk/live/sound-player.ts';
export type {
  AnswerEnd, AnswerSettings, NewTalkItem, RespondOptions, SessionOptions, SessionSettings, Talker, TalkerAbilities, TalkerInfo, TalkInput,
  TalkItem, TalkSession, TalkSessionEvent, TalkSessionUsage,
} from './engine/talk/live/talker.ts';
export type { SoundToHear, TranscribeAllOptions } from './engine/speech/transcribe-options.ts';
export type { SpeechAbilities } from './engine/speech/recogniser.ts';
export type { SpeechModel, SpeechModelInfo } from './engine/speech/speech-model.ts';
export type { ListenOptions, TranscribeOptions } from './engine/speech/transcribe-options.ts';
export type { Phonemizer, Speakable, SpeakOptions, SpokenPiece, VoiceModel, VoiceModelInfo } from './engine/speech/voice-model.ts';
export type { VoiceBlend } from './engine/speech/voice-pack.ts';
export type { Clause } from './text/speech/clauses.ts';
export type { EspeakLanguage } from './text/speech/espeak-phonemes.ts';
export type { Sound } from './engine/speech/mono-sound.ts';
export { TRANSCRIPT_FORMS, writeTranscript } from './text/transcript-formats.ts';
export type { Transcript, TranscriptForm, TranscriptSegment, TranscriptWord } from './text/transcript-formats.ts';
export type { VoiceDetector, VoiceStream } from './engine/speech/voice-detector.ts';
export { collectToolRun } from './engine/collect-tool-run.ts';
export type { StandardSchema } from './engine/standard-schema.ts';
export { assistantMessage } from './engine/assistant-message.ts';
export { collect, collectChoices } from './engine/collect.ts';
export type { CollectedAnswer } from './engine/collect.ts';
export type { ChatFiles } from './engine/chat-file.ts';
export { createModel } from './engine/model.ts';
export type { CreateModelOptions } from './engine/model.ts';
export { memoryNeeds } from './engine/memory-needs.ts';
export type { MemoryNeeds, MemoryNeedsOptions } from './engine/memory-needs.ts';
export type { PerLayerTable } from './models/architecture.ts';
export type { QuantizeType } from './models/quantize-weights.ts';
/**
 * The CPU: `ingot` gives it modules and threads in Node; `ingot/browser` has both for a page, as `fetchKernelModules` and
 * `createThreadHost`.
 */
export { createCpuExecutor } from './cpu/cpu-executor.ts';
export type { CpuExecutorOptions } from './cpu/cpu-executor.ts';
export type { KernelBytes, ThreadEvents, ThreadHandle, ThreadHost } from './cpu/thread-host.ts';
/**
 * The GPU, in a browser (in Node, `loadModel` does this): `open` resolves to `openGpuDevice(adapter)`, each time of an adapter newly asked
 * for by `navigator.gpu.requestAdapter()`, since one adapter gives one device; `profile` is `profileFor(adapterFacts(adapter))`.
 */
export { createGpuExecutor } from './gpu/gpu-executor.ts';
export type { GpuExecutorOptions } from './gpu/gpu-executor.ts';
export { adapterFacts, adapterName } from './gpu/device/adapter-facts.ts';
export type { AdapterFacts, AdapterParts } from './gpu/device/adapter-facts.ts';
export { openGpuDevice } from './gpu/device/gpu-device.ts';
export type { GpuDevice, GpuDeviceOptions } from './gpu/device/gpu-device.ts';
export type { DeviceProfile } from './gpu/profile/device-profile.ts';
export { profileFor } from './gpu/profile/profile-for.ts';
export { createReferenceExecutor } from './reference/reference-executor.ts';
export { httpFolder, httpSource } from './files/http-source.ts';
export type { HttpRetry } from './files/http-retry.ts';
export type { HttpOptions } from './files/http-options.ts';
export { memoryFolder, memorySource } from './files/memory-source.ts';
export { openCheckpoint } from './files/open-checkpoint.ts';
export type { CheckpointLocation } from './files/open-checkpoint.ts';
export type { DeviceKind, Executor, MemoryUse } from './graph/executor.ts';
export type { KvChoice, KvType } from './graph/kv-types.ts';
export type { ByteSource, OpenOptions, ReadOptions, SourceFolder } from './tensor/byte-source.ts';
export type { Checkpoint, SkippedTensor, TensorEntry } from './tensor/checkpoint.ts';
export { CapacityError, FormatError, InputError } from './tensor/errors.ts';
export type { ContextShortage, LostPart } from './tensor/errors.ts';
export type { OnProgress, ProgressEvent, ProgressPhase } from './tensor/progress.ts';
export { createPartCollector } from './text/answers/collect-parts.ts';
export type { AnswerContent, PartCollector } from './text/answers/collect-parts.ts';
export type * from './text/answers/answer-parts.ts';
export { tokenizerFromCheckpoint } from './text/tokenizer-from-checkpoint.ts';
export type { Tokenizer } from './text/tokenizer.ts';
