/** Ingot for Node: the core, and what needs a disk and threads. */
export * from '../core.ts';
export { appFiles } from './app-files.ts';
export { bundledModelPath } from './package-root.ts';
export { loadModel } from './load-model.ts';
export type { DeviceChoice } from './device-choice.ts';
export type { LoadModelOptions } from './load-model.ts';
export type { TuningUse } from './tuning-store.ts';
export { modelLoader, speechModelLoader, talkModelLoader, voiceModelLoader } from './model-loader.ts';
export type { ModelLoader, ModelLoadOptions, SpeechModelLoader, TalkModelLoader, VoiceModelLoader } from './model-loader.ts';
export { DEFAULT_SPEECH_MODEL, pulledModelPath, pullModel } from './pull/pull-model.ts';
export type { PullOptions } from './pull/pull-model.ts';
export { loadSpeechModel } from './load-speech-model.ts';
export type { LoadSpeechModelOptions } from './load-speech-model.ts';
export { loadVoiceModel } from './load-voice-model.ts';
export type { LoadVoiceModelOptions } from './load-voice-model.ts';
export { loadTalkModel } from './load-talk-model.ts';
export type { LoadTalkModelOptions } from './load-talk-model.ts';
export { openImageDecoder } from './image-decoder.ts';
export { loadTalker } from './load-talker.ts';
export type { CascadePaths, LoadTalkerOptions } from './load-talker.ts';
export { loadTokenizer } from './load-tokenizer.ts';
export { loadVoiceDetector } from './load-voice-detector.ts';
export type { LoadVoiceDetectorOptions } from './load-voice-detector.ts';
export { directorySource, fileSource } from './file-source.ts';
export { locate } from './open-path.ts';
/** What `createCpuExecutor` needs in Node; `loadModel` takes it by itself. */
export { createThreadHost } from './thread-host.ts';
export { readKernelModules } from './wasm-modules.ts';
