import { describe, expect, it } from 'vitest';
import { SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { speechStretches } from './speech-stretches.ts';
import type { VoiceDetector } from './voice-detector.ts';

/** Speech where a frame's first sample is above a half. */
const DETECTOR: VoiceDetector = {
  open: () => ({
    push: async (samples) =>
      Float32Array.from({ length: samples.length / SILERO_SAMPLES }, (_, i) => (samples[i * SILERO_SAMPLES]! > 0.5 ? 1 : 0)),
    end: async () => new Float32Array(0),
    close: () => {},
  }),
  dispose: async () => {},
};
const TURNS = { endSilenceMs: 128, preRollMs: 0, postRollMs: 0, minSpeechMs: 64 };

/** A frame for each sign, "#" of speech; every sample says where it is, so that a stretch is known by them. */
async function* frames(signs: string, perPiece: number): AsyncGenerator<Float32Array> {
  const all = Float32Array.from({ length: signs.length * SILERO_SAMPLES }, (_, i) =>
    (signs[Math.floor(i / SILERO_SAMPLES)] === '#' ? 1 : 0) + i * 2 ** -20 * 0.4);
  for (let at = 0; at < all.length; at += perPiece * SILERO_SAMPLES) yield all.slice(at, at + perPiece * SILERO_SAMPLES);
}

async function stretchesOf(signs: string, most: number, perPiece = 1): Promise<string[]> {
  const found: string[] = [];
  let heard = 0;
  const turns = { ...TURNS, maxTurnMs: 32 * most };
  const options = { turns, mostSamples: most * SILERO_SAMPLES, onHeard: (samples: number) => void (heard = samples) };
  for await (const { startSample, samples } of speechStretches(frames(signs, perPiece), DETECTOR, options)) {
    const first = startSample / SILERO_SAMPLES;
    expect(samples.length).toBeLessThanOrEqual(most * SILERO_SAMPLES);
    for (const i of [0, samples.length - 1]) expect((samples[i]! % 1) / (2 ** -20 * 0.4)).toBeCloseTo(startSample + i, 0);
    found.push(`${first}-${first + samples.length / SILERO_SAMPLES}`);
  }
  expect(heard).toBe(signs.length * SILERO_SAMPLES);
  return found;
}

describe('stretches of speech', () => {
  const PAUSE = '.'.repeat(8);
  it.each([1, 5])('take as many turns as fit, with their pauses, of pieces of %i frames', async (perPiece) => {
    const signs = `....${'#'.repeat(6)}${PAUSE}${'#'.repeat(6)}${PAUSE}${'#'.repeat(6)}${PAUSE}${'.'.repeat(200)}${'#'.repeat(5)}${PAUSE}`;
    expect(await stretchesOf(signs, 24, perPiece)).toEqual(['4-24', '32-38', '246-251']);
    expect(await stretchesOf(signs, 40, perPiece)).toEqual(['4-38', '246-251']);
  });

  it('are none of silence, and end with the sound', async () => {
    expect(await stretchesOf('.'.repeat(300), 24)).toEqual([]);
    expect(await stretchesOf('', 24)).toEqual([]);
    expect(await stretchesOf(`..${'#'.repeat(9)}`, 24)).toEqual(['2-11']);
  });

  it('are no longer than a window where nobody pauses', async () => {
    const found = await stretchesOf('#'.repeat(100), 24);
    expect(found.length).toBeGreaterThanOrEqual(5);
    expect(found.at(-1)!.endsWith('-100')).toBe(true);
  });
});
