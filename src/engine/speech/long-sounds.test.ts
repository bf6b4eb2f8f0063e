/** Sounds of hours: memory that does not grow with them, and progress. What hears them here is quick: a detector by loudness. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { openAudio } from '../../audio/open-audio.ts';
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { wavHeader } from '../../audio/wav-writer.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { createSpeechModel } from './speech-model.ts';
import { moonshineTurns } from './moonshine-turns.ts';
import type { MoonshineTurns } from './moonshine-turns.ts';
import { createTurnRecogniser } from './turn-recogniser.ts';
import type { VoiceDetector } from './voice-detector.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Seconds of speech, then of silence, again and again. */
const [SPOKEN, SILENT] = [7, 3];

/** A WAV file of 8 bits that is nowhere: its samples are made as they are read. */
function madeFile(seconds: number): ByteSource & { isClosed: boolean } {
  const frames = seconds * SILERO_RATE;
  const header = wavHeader({ sampleRate: SILERO_RATE, channels: 1, encoding: 'uint8' }, frames);
  const source = {
    name: 'made', sizeBytes: header.length + frames, isClosed: false,
    async read(offset: number, into: Uint8Array) {
      const period = (SPOKEN + SILENT) * SILERO_RATE;
      let at = 0;
      for (; at < into.length && offset + at < header.length; at++) into[at] = header[offset + at]!;
      while (at < into.length) {
        const place = (offset + at - header.length) % period;
        const isSpoken = place < SPOKEN * SILERO_RATE;
        const end = Math.min(into.length, at + (isSpoken ? SPOKEN * SILERO_RATE : period) - place);
        into.fill(isSpoken ? 200 : 128, at, end);
        at = end;
      }
    },
    close: async () => void (source.isClosed = true),
  };
  return source;
}

const detector: VoiceDetector = {
  open() {
    let rest = 0;
    return {
      push: async (samples) => {
        const count = Math.floor((rest + samples.length) / SILERO_SAMPLES);
        const probabilities = Float32Array.from({ length: count }, (_, i) =>
          (samples[Math.max(0, (i + 1) * SILERO_SAMPLES - rest - 1)]! > 0.2 ? 1 : 0));
        rest += samples.length - count * SILERO_SAMPLES;
        return probabilities;
      },
      end: async () => new Float32Array(0),
      close: () => {},
    };
  },
  dispose: async () => {},
};

/** Of every sound it says two tokens. */
const decoder = {
  hear: async () => ({ memory: 1, length: 0, rewind: () => {}, close: () => {} }),
  greedy: async (sounds: readonly unknown[]) => sounds.map(() => [7, 2]),
  dispose: async () => {},
} as unknown as MoonshineTurns['decoder'];
const decode = (ids: readonly number[]): string => ids.map((id) => `word ${id}`).join(' ');
const tokenizer = { decode } as unknown as MoonshineTurns['tokenizer'];

async function hearHours(hours: number): Promise<void> {
  const recogniser = createTurnRecogniser({
    architecture: 'quick', abilities: { languages: ['en'], words: false }, detector,
    hear: moonshineTurns({ decoder, tokenizer, startId: 1, endIds: [2] }), dispose: () => decoder.dispose(),
  });
  const memory = { weightBytes: 0, kvBytes: 0, workBytes: 0 };
  const model = createSpeechModel({ name: 'quick', architecture: 'quick', device: 'none', memory, warnings: [] }, recogniser);
  const source = madeFile(hours * 3600);
  let [segments, told, last, mostBytes] = [0, 0, 0, 0];
  // What nothing refers to does not count; the buffers of one collection are given back by the next.
  const used = (): number => {
    for (let i = 0; i < 2; i++) collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  const onProgress = ({ loaded, total }: { readonly loaded: number; readonly total: number }): void => {
    expect(loaded).toBeGreaterThanOrEqual(last);
    expect(total).toBeCloseTo(hours * 3600, 3);
    [last, told] = [loaded, told + 1];
  };
  for await (const { start, text } of model.segments(await openAudio(source), { onProgress })) {
    expect(text).toBe('word 7');
    expect(Math.abs(start - segments * (SPOKEN + SILENT))).toBeLessThan(0.5);
    if (++segments % 50 === 0) mostBytes = Math.max(mostBytes, used() - before);
  }
  // Turns of less than the longest one: each is one segment, and none is lost.
  expect(segments).toBe((hours * 3600) / (SPOKEN + SILENT));
  expect(told).toBeGreaterThanOrEqual(segments);
  expect(last).toBeCloseTo(hours * 3600, 3);
  expect(source.isClosed).toBe(true);
  // Samples of ten minutes alone would be 38 MB.
  expect(mostBytes).toBeLessThan(64e6);
}

describe('a sound of hours is heard in bounded memory', () => {
  it('half of one', () => hearHours(0.5));
  it('ten', { tags: 'slow', timeout: 300_000 }, () => hearHours(10));
});
