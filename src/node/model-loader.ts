/** A model that somebody else loads when it is needed: `createServer` takes these beside loaded ones. */
import { existsSync } from 'node:fs';
import { memoryNeeds } from '../engine/memory-needs.ts';
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import type { Model } from '../engine/api.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { VoiceModel } from '../engine/speech/voice-model.ts';
import type { TalkModel } from '../engine/talk/talk-model.ts';
import { InputError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { loadModel, openExecutor } from './load-model.ts';
import type { LoadModelOptions } from './load-model.ts';
import { loadSpeechModel, speechMemoryNeeds } from './load-speech-model.ts';
import type { LoadSpeechModelOptions } from './load-speech-model.ts';
import { loadVoiceModel, voiceMemoryNeeds } from './load-voice-model.ts';
import type { LoadVoiceModelOptions } from './load-voice-model.ts';
import { locate } from './open-path.ts';
import { loadTalkModel, talkMemoryNeeds } from './load-talk-model.ts';
import type { LoadTalkModelOptions } from './load-talk-model.ts';

/** What is said each time it is loaded. */
export interface ModelLoadOptions {
  readonly signal?: CancelSignal | undefined;
  readonly spareMemory?: (() => number) | undefined;
}

export interface ModelLoader {
  readonly kind: 'text';
  /** As `loadModel` with the loader's own options. */
  load(options?: ModelLoadOptions): Promise<Model>;
  /** What it takes at least, by its headers. */
  memoryNeeds(options?: { readonly signal?: CancelSignal | undefined }): Promise<MemoryNeeds>;
  /** Whether its files are on this machine, so that `memoryNeeds` downloads nothing. */
  isHere(): boolean;
}

/** @param options as of `loadModel`; nothing is read before it is asked for */
export function modelLoader(pathOrUrl: string, options: Omit<LoadModelOptions, 'signal' | 'spareMemory'> = {}): ModelLoader {
  const { device, threads, tuning, contextLength, kvType, snapshotBytes, perLayerTable, quantize, mmproj } = options;
  return {
    kind: 'text',
    isHere: () => existsSync(pathOrUrl),
    // What a client of a server asks for is as it means it.
    load: ({ signal, spareMemory } = {}) => loadModel(pathOrUrl, { onHint: () => {}, ...options, signal, spareMemory }),
    async memoryNeeds({ signal } = {}) {
      const executor = await openExecutor({ device, threads, tuning });
      const location = await locate(pathOrUrl, { signal, mmproj, onProgress: options.onProgress, reads: 'headers' });
      const checkpoint = await openCheckpoint(location, { signal });
      return memoryNeeds({ checkpoint, executor, contextLength, kvType, snapshotBytes, perLayerTable, quantize, signal });
    },
  };
}

export interface SpeechModelLoader {
  readonly kind: 'speech';
  /** As `loadSpeechModel` with the loader's own options. */
  load(options?: { readonly signal?: CancelSignal | undefined }): Promise<SpeechModel>;
  /** What it takes, by its headers. @throws InputError for a model that does not hear */
  memoryNeeds(options?: { readonly signal?: CancelSignal | undefined }): Promise<MemoryNeeds>;
  /** Whether its files are on this machine, so that `memoryNeeds` downloads nothing. */
  isHere(): boolean;
}

/** As {@link modelLoader}, of a model that hears. */
export function speechModelLoader(pathOrUrl: string, options: Omit<LoadSpeechModelOptions, 'signal'> = {}): SpeechModelLoader {
  return {
    kind: 'speech',
    isHere: () => existsSync(pathOrUrl),
    load: ({ signal } = {}) => loadSpeechModel(pathOrUrl, { ...options, signal }),
    async memoryNeeds({ signal } = {}) {
      const needs = await speechMemoryNeeds(pathOrUrl, { quantize: options.quantize, signal, onProgress: options.onProgress });
      if (needs === undefined) throw new InputError(`${pathOrUrl} does not hear: modelLoader is for models of text.`);
      return needs;
    },
  };
}

export interface VoiceModelLoader {
  readonly kind: 'voice';
  /** As `loadVoiceModel` with the loader's own options. */
  load(options?: { readonly signal?: CancelSignal | undefined }): Promise<VoiceModel>;
  /** What it takes, by its headers. @throws InputError for a model that does not speak */
  memoryNeeds(options?: { readonly signal?: CancelSignal | undefined }): Promise<MemoryNeeds>;
  /** Whether its files are on this machine, so that `memoryNeeds` downloads nothing. */
  isHere(): boolean;
}

/** As {@link modelLoader}, of a model that speaks. */
export function voiceModelLoader(pathOrUrl: string, options: Omit<LoadVoiceModelOptions, 'signal'> = {}): VoiceModelLoader {
  return {
    kind: 'voice',
    isHere: () => existsSync(pathOrUrl),
    load: ({ signal } = {}) => loadVoiceModel(pathOrUrl, { ...options, signal }),
    async memoryNeeds({ signal } = {}) {
      const needs = await voiceMemoryNeeds(pathOrUrl, { mostFrames: options.mostFrames, signal, onProgress: options.onProgress });
      if (needs === undefined) throw new InputError(`${pathOrUrl} does not speak: modelLoader is for models of text.`);
      return needs;
    },
  };
}

export interface TalkModelLoader {
  readonly kind: 'talk';
  /** As `loadTalkModel` with the loader's own options. */
  load(options?: { readonly signal?: CancelSignal | undefined }): Promise<TalkModel>;
  /** What it takes, by its headers. @throws InputError for a model that does not hear and speak */
  memoryNeeds(options?: { readonly signal?: CancelSignal | undefined }): Promise<MemoryNeeds>;
  /** Whether its files are on this machine, so that `memoryNeeds` downloads nothing. */
  isHere(): boolean;
}

/** As {@link modelLoader}, of a model that answers speech with speech. */
export function talkModelLoader(pathOrUrl: string, options: Omit<LoadTalkModelOptions, 'signal'> = {}): TalkModelLoader {
  return {
    kind: 'talk',
    isHere: () => existsSync(pathOrUrl),
    load: ({ signal } = {}) => loadTalkModel(pathOrUrl, { ...options, signal }),
    async memoryNeeds({ signal } = {}) {
      const needs = await talkMemoryNeeds(pathOrUrl, { ...options, signal });
      if (needs === undefined) throw new InputError(`${pathOrUrl} does not hear and speak: modelLoader is for models of text.`);
      return needs;
    },
  };
}
