/** A model that hears, as far as the server sees one: of each second of sound it says how loud it is. */
import { joinSamples } from '../src/audio/audio-stream.ts';
import { monoSound } from '../src/engine/speech/mono-sound.ts';
import { createSpeechModel } from '../src/engine/speech/speech-model.ts';
import type { Recogniser, SpeechAbilities } from '../src/engine/speech/recogniser.ts';
import type { SpeechModel } from '../src/engine/speech/speech-model.ts';
import type { TranscribeOptions } from '../src/engine/speech/transcribe-options.ts';

export interface FakeSpeech {
  readonly model: SpeechModel;
  /** What it was asked for. */
  readonly asked: TranscribeOptions[];
  readonly state: { isDisposed: boolean; running: number };
}

const ALL: SpeechAbilities = {
  languages: ['en', 'de'], prompts: true, turns: true, words: true, translates: true, searches: true,
};
const RATE = 16_000;

/** @param segmentMs how long it works at a segment */
export function fakeSpeechModel(abilities: Partial<SpeechAbilities> = {}, segmentMs = 0): FakeSpeech {
  const asked: TranscribeOptions[] = [];
  const state = { isDisposed: false, running: 0 };
  const recogniser: Recogniser = {
    abilities: { ...ALL, ...abilities },
    checkOptions: (options) => void asked.push(options),
    async *segments(sound, { signal, onProgress, onTokens, timestamps, language = 'de' }, hearing) {
      state.running++;
      try {
        const { pieces } = monoSound(sound, RATE);
        const parts: Float32Array[] = [];
        for await (const piece of pieces) parts.push(piece.slice());
        const samples = joinSamples(parts);
        for (let start = 0; start * RATE < samples.length; start++) {
          await new Promise((resolve) => setTimeout(resolve, segmentMs));
          signal?.throwIfAborted();
          onTokens?.(3);
          const text = `at ${samples[start * RATE + 100]!.toFixed(2)}`;
          const end = Math.min(start + 1, samples.length / RATE);
          yield { start, end, text, ...(timestamps === 'words' ? { words: [{ start, end, text: ` ${text}` }] } : {}) };
        }
        Object.assign(hearing, { language, seconds: samples.length / RATE });
        onProgress?.({ phase: 'transcribe', loaded: hearing.seconds, total: hearing.seconds });
      } finally {
        state.running--;
      }
    },
    async hearAll(tasks, options) {
      for (let task = await tasks.next(); task !== undefined; task = await tasks.next()) {
        for await (const segment of recogniser.segments(task.sound, options, task.hearing)) task.onSegment(segment);
        task.done();
      }
    },
    dispose: async () => void (state.isDisposed = true),
  };
  const memory = { weightBytes: 1000, kvBytes: 10, workBytes: 1 };
  const model = createSpeechModel({ name: 'fake', architecture: 'fake', device: 'none', memory, warnings: [] }, recogniser);
  return { model, asked, state };
}
