/** Models of a cascade that hear, write and speak what a test says, as fast as it lets them. */
import { SILERO_SAMPLES } from '../src/audio/silero-frames.ts';
import type { Chat, ChatMessage, Model, Piece } from '../src/engine/api.ts';
import type { SpeechModel } from '../src/engine/speech/speech-model.ts';
import type { VoiceDetector } from '../src/engine/speech/voice-detector.ts';
import type { SpokenPiece, VoiceModel } from '../src/engine/speech/voice-model.ts';
import type { CancelSignal } from '../src/tensor/platform.ts';

/** Hears the same text in every sound, or what `hear` makes of it. */
export function scriptedEars(hear: (samples: Float32Array) => string | Promise<string>): SpeechModel {
  const abilities = { languages: [], prompts: false, turns: true, words: false, translates: false, searches: false };
  return {
    info: { name: 'ears', architecture: 'ears', device: 'test', abilities, isLive: true, memory: {}, warnings: [] },
    transcribe: async (sound: { readonly samples: Float32Array }, { signal }: { readonly signal?: CancelSignal } = {}) => {
      signal?.throwIfAborted();
      const text = await hear(sound.samples);
      signal?.throwIfAborted();
      return { text, segments: [], language: 'en', seconds: 0 };
    },
    dispose: async () => {},
  } as unknown as SpeechModel;
}

export interface ScriptedModel {
  readonly model: Model;
  /** What it was asked, call by call. */
  readonly asked: (readonly ChatMessage[])[];
}

/** Writes the pieces of an answer; what `write` throws, it throws. */
export function scriptedModel(write: (call: number, signal: CancelSignal) => AsyncIterable<string>): ScriptedModel {
  const asked: (readonly ChatMessage[])[] = [];
  const createChat = (): Chat => {
    let history: readonly ChatMessage[] = [];
    return {
      get history() {
        return history;
      },
      set history(messages) {
        history = [...messages];
      },
      async *send(messages: readonly ChatMessage[], { signal }: { readonly signal: CancelSignal }): AsyncGenerator<Piece> {
        const before = [...history, ...messages];
        asked.push(before);
        let content = '';
        try {
          for await (const text of write(asked.length - 1, signal)) {
            signal.throwIfAborted();
            content += text;
            yield { text, tokens: [0], parts: [{ kind: 'text', text, tokens: [0] }], index: 0 };
          }
          const usage = { promptTokens: 10, cachedTokens: 4, completionTokens: 5 };
          yield { text: '', tokens: [], parts: [], index: 0, finishReason: 'stop', usage } as unknown as Piece;
        } finally {
          if (content !== '') history = [...before, { role: 'assistant', content }];
        }
      },
      dispose() {},
    } as unknown as Chat;
  };
  return { asked, model: { info: { name: 'writer' }, createChat } as unknown as Model };
}

export const SCRIPTED_RATE = 24_000;

/** Speaks every word for so many milliseconds. */
export function scriptedVoice(wordMs: number, onSentence: (sentence: string) => void | Promise<void> = () => {}): VoiceModel {
  return {
    info: {
      name: 'voice', architecture: 'voice', device: 'test', sampleRate: SCRIPTED_RATE, voices: ['ann', 'bob'], memory: {}, warnings: [],
    },
    async *speak(what: string, { signal }: { readonly signal?: CancelSignal } = {}): AsyncGenerator<SpokenPiece> {
      await onSentence(what);
      signal?.throwIfAborted();
      const words = what.split(/\s+/).map((text, i) => ({ text, start: (i * wordMs) / 1000, end: ((i + 1) * wordMs) / 1000 }));
      const samples = new Float32Array((words.length * wordMs * SCRIPTED_RATE) / 1000).fill(0.1);
      yield { samples, text: what, phonemes: what, words };
    },
    dispose: async () => {},
  } as unknown as VoiceModel;
}

/** Calls loud frames speech: one probability for each, of its first sample. */
export function loudnessDetector(): VoiceDetector {
  return {
    open() {
      let rest = new Float32Array(0);
      return {
        async push(samples) {
          const all = Float32Array.of(...rest, ...samples);
          const frames = Math.floor(all.length / SILERO_SAMPLES);
          rest = all.slice(frames * SILERO_SAMPLES);
          return Float32Array.from({ length: frames }, (_, i) => Math.min(1, Math.abs(all[i * SILERO_SAMPLES]!)));
        },
        end: async () => new Float32Array(0),
        close: () => {},
      };
    },
    dispose: async () => {},
  };
}
