/** Long sounds beside transformers, window after window (scripts/fixtures/whisper_long.py). */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../../../test/fixture-tensors.ts';
import { longSound, longSpeechModel, LONG_TOKENS } from '../../../../test/whisper-long.ts';
import type { LongModel } from '../../../../test/whisper-long.ts';
import { openExecutor } from '../../../node/load-model.ts';
import type { SpeechModel } from '../speech-model.ts';

interface Case {
  readonly condition: boolean;
  readonly language: string | null;
  readonly segments: readonly { readonly start: number; readonly end: number; readonly ids: number[] }[];
}

const RECORDING = 'real/moonshine/speech-60s.wav';
const recorded = JSON.parse(readFileSync(`${fixturesPath}whisper/long.json`, 'utf8')) as LongModel & {
  readonly soundTotal: number;
  readonly cases: readonly Case[];
};
/** Two windows: transformers has none of the silence that stands behind a sound here. */
const TAIL_SECONDS = 6;

function recording(): Float32Array {
  const bytes = readFileSync(`${sharedPath}/${RECORDING}`);
  return Float32Array.from(new Int16Array(new Uint8Array(bytes).buffer, 44), (value) => value / 32_768);
}

/** Segments that end before a time, those of no text or no time left out: text, start and end in hundredths. */
function shown(segments: readonly { readonly start: number; readonly end: number; readonly text: string }[], before: number) {
  return segments.filter(({ start, end, text }) => end <= before && start !== end && text !== '')
    .map(({ start, end, text }) => `${Math.round(start * 100)} ${Math.round(end * 100)} ${text}`);
}

describe.skipIf(!hasShared(RECORDING))('a long sound with silence and repeats is what transformers hears', () => {
  let model: SpeechModel;
  let all: Float32Array;
  beforeAll(async () => {
    model = await longSpeechModel(await openExecutor({ device: 'cpu', threads: 1 }), recorded);
    all = longSound(recording(), 600);
  });
  afterAll(() => model.dispose());

  const check = async ({ condition, language, segments }: Case, seconds: number): Promise<void> => {
    const { segments: found } = await model.transcribe({ samples: all.subarray(0, 16_000 * seconds), sampleRate: 16_000 }, {
      conditioned: condition, temperatures: [0], ...(language === null ? {} : { language }),
    });
    const text = (ids: readonly number[]): string => ids.filter((id) => id < LONG_TOKENS.endOfText).join(' ');
    const wanted = shown(segments.map(({ start, end, ids }) => ({ start, end, text: text(ids) })), seconds - TAIL_SECONDS);
    expect(wanted.length).toBeGreaterThan(seconds / 8);
    expect(shown(found, seconds - TAIL_SECONDS)).toEqual(wanted);
  };

  it('the sound is that of the script', () => {
    expect(all.reduce((sum, value) => sum + Math.abs(value), 0)).toBeCloseTo(recorded.soundTotal, 1);
  });

  it.each(recorded.cases)('40 seconds, told what was said before: $condition, language: $language', (each) => check(each, 40));

  // Not told, an answer at 170 s reaches the 60 tokens that the script allows, where 64 are said here: the windows differ from there on.
  it.each(recorded.cases)('whole, or up to a cut answer, told what was said before: $condition', { tags: ['slow'] }, (each) =>
    check(each, each.condition ? 600 : 174));
});
