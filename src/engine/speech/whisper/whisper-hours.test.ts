/** Whisper on hours of sound: silence with pieces of speech, in memory that does not grow, with progress. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../../../test/fixture-tensors.ts';
import { longSpeechModel } from '../../../../test/whisper-long.ts';
import type { LongModel } from '../../../../test/whisper-long.ts';
import { openExecutor } from '../../../node/load-model.ts';
import type { SpeechModel } from '../speech-model.ts';
import type { TranscribeOptions } from '../transcribe-options.ts';

const RECORDING = 'real/moonshine/speech-60s.wav';
const RATE = 16_000;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** Of the slow test: half an hour takes 15 s, the ten of docs/speech.md (`INGOT_SPEECH_HOURS=10`) five minutes of a quiet core. */
const HOURS = Number(process.env.INGOT_SPEECH_HOURS ?? 0.5);
/** Of each 20 seconds so many are speech. */
const SPOKEN = 6;

/** A chunk a second, made as it is read. */
async function* spokenNowAndThen(speech: Float32Array, seconds: number): AsyncGenerator<Float32Array> {
  for (let second = 0; second < seconds; second++) {
    const from = ((second * 7) % 59) * RATE;
    yield second % 20 < SPOKEN ? speech.slice(from, from + RATE) : new Float32Array(RATE);
  }
}

describe.skipIf(!hasShared(RECORDING))('Whisper on hours of sound', () => {
  let model: SpeechModel;
  let speech: Float32Array;
  beforeAll(async () => {
    const made = JSON.parse(readFileSync(`${fixturesPath}whisper/long.json`, 'utf8')) as LongModel;
    model = await longSpeechModel(await openExecutor({ device: 'cpu', threads: 1 }), made);
    const bytes = readFileSync(`${sharedPath}/${RECORDING}`);
    speech = Float32Array.from(new Int16Array(new Uint8Array(bytes).buffer, 44), (value) => value / 32_768);
  });
  afterAll(() => model.dispose());

  /** Bytes beyond those of the first tenth, at most. */
  async function mostGrowth(hours: number, options: TranscribeOptions): Promise<number> {
    const seconds = hours * 3600;
    // What nothing refers to does not count: the heap collects at its leisure, and gives buffers back with the next collection.
    const used = (): number => {
      for (let i = 0; i < 2; i++) collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    let [last, told, segments, before, most] = [0, 0, 0, 0, 0];
    const onProgress: TranscribeOptions['onProgress'] = ({ loaded, total }) => {
      expect(loaded).toBeGreaterThanOrEqual(last);
      expect(total).toBeCloseTo(seconds, 3);
      [last, told] = [loaded, told + 1];
      if (loaded < seconds / 10) before ||= told > 5 ? used() : 0;
      else if (told % 25 === 0) most = Math.max(most, used() - before);
    };
    const sound = { chunks: spokenNowAndThen(speech, seconds), sampleRate: RATE, channels: 1, frames: seconds * RATE };
    const minutes = new Set<number>();
    for await (const { start } of model.segments(sound, { ...options, onProgress })) {
      segments++;
      minutes.add(Math.floor(start / 60));
    }
    expect(last).toBeCloseTo(seconds, 2);
    // Nothing is lost behind the beginning: every minute says something.
    expect(segments).toBeGreaterThan(seconds / 30);
    expect([...Array(Math.round(seconds / 60)).keys()].filter((minute) => !minutes.has(minute))).toEqual([]);
    return most;
  }

  // Samples of three minutes are 11 MB, of half an hour 115.
  it('three minutes', async () => expect(await mostGrowth(0.05, { language: 'en', temperatures: [0] })).toBeLessThan(8e6));

  it('three minutes, windows side by side', async () =>
    expect(await mostGrowth(0.05, { language: 'en', temperatures: [0], windows: 8 })).toBeLessThan(8e6));

  it(`${HOURS} hours`, { tags: 'slow', timeout: 3_600_000 }, async () => {
    const growth = await mostGrowth(HOURS, { language: 'en', temperatures: [0] });
    process.stderr.write(`${HOURS} hours: ${(growth / 1e6).toFixed(1)} MB beyond the first tenth\n`);
    expect(growth).toBeLessThan(8e6);
  });
});
