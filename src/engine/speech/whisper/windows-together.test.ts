/** Stretches side by side: beside transformers' batches (scripts/fixtures/whisper_windows.py), and beside each heard by itself. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../../../test/fixture-tensors.ts';
import { longParts, longSound, LONG_TOKENS } from '../../../../test/whisper-long.ts';
import type { LongModel } from '../../../../test/whisper-long.ts';
import { openExecutor } from '../../../node/load-model.ts';
import type { TranscriptSegment } from '../../../text/transcript-formats.ts';
import { createTurns } from '../in-turn.ts';
import { createSpeechModel } from '../speech-model.ts';
import type { SpeechModel } from '../speech-model.ts';
import type { TranscribeOptions } from '../transcribe-options.ts';
import { shifted } from './window-by-window.ts';
import { hearStretches } from './windows-together.ts';
import { createWhisperRecogniser } from './whisper-recogniser.ts';
import type { WhisperParts } from './whisper-recogniser.ts';

interface Case {
  readonly language: string;
  readonly task: 'transcribe' | 'translate';
  readonly stretches: readonly (readonly { readonly start: number; readonly end: number; readonly ids: readonly number[] }[])[];
}

const RECORDING = 'real/moonshine/speech-60s.wav';
const fixture = <Made,>(name: string): Made => JSON.parse(readFileSync(`${fixturesPath}whisper/${name}.json`, 'utf8')) as Made;
const recorded = fixture<{ readonly stretches: readonly (readonly [number, number])[]; readonly cases: readonly Case[] }>('windows');

function recording(): Float32Array {
  const bytes = readFileSync(`${sharedPath}/${RECORDING}`);
  return Float32Array.from(new Int16Array(new Uint8Array(bytes).buffer, 44), (value) => value / 32_768);
}

const shown = (start: number, end: number, text: string): string => `${Math.round(100 * start)} ${Math.round(100 * end)} ${text}`;

describe.skipIf(!hasShared(RECORDING))('stretches that are heard side by side', () => {
  let parts: WhisperParts;
  let model: SpeechModel;
  let all: Float32Array;
  beforeAll(async () => {
    const made = await longParts(await openExecutor({ device: 'cpu', threads: 1 }), fixture<LongModel>('long'));
    parts = made;
    const about = { name: 'x', architecture: 'whisper', device: 'cpu', memory: made.decoder.program.memory, warnings: [] };
    model = createSpeechModel(about, createWhisperRecogniser(parts));
    all = longSound(recording(), 600);
  });
  afterAll(() => model.dispose());

  const hear = async (numbers: readonly number[], options: TranscribeOptions): Promise<TranscriptSegment[][]> => {
    // Far apart, so that the segments of each are known again.
    const stretches = numbers.map((n, i) => ({ startSample: 1_600_000 * i, samples: all.slice(...recorded.stretches[n]!) }));
    const found = await hearStretches(parts, stretches, { options, hearing: { language: options.language }, inTurn: createTurns() });
    const rounded = (time: number): number => Math.round(1000 * time) / 1000;
    return numbers.map((_, i) => found.filter(({ start }) => start >= 100 * i && start < 100 * (i + 1)).map((segment) => {
      const { text, start, end, words } = shifted(segment, -100 * i);
      const times = words?.map((word) => ({ ...word, start: rounded(word.start), end: rounded(word.end) }));
      return { text, start: rounded(start), end: rounded(end), ...(times && { words: times }) };
    }));
  };

  it.each(recorded.cases)('say what transformers says of a batch of them: $language, $task', async ({ language, task, stretches }) => {
    const text = (ids: readonly number[]): string => ids.filter((id) => id < LONG_TOKENS.endOfText).join(' ');
    let compared = 0;
    for (let first = 0; first < 16; first += 8) {
      const numbers = Array.from({ length: 8 }, (_, i) => first + i);
      const found = await hear(numbers, { language, task, temperatures: [0], conditioned: false });
      for (const [i, n] of numbers.entries()) {
        const own = found[i]!.map((segment) => shown(segment.start, segment.end, segment.text));
        const theirs = stretches[n]!.filter(({ start, end, ids }) => start !== end && text(ids) !== '');
        expect(own.slice(0, theirs.length)).toEqual(theirs.map(({ start, end, ids }) => shown(start, end, text(ids))));
        compared += theirs.length;
      }
    }
    expect(compared).toBeGreaterThan(30);
  });

  it('say what each says by itself, at temperatures and with times of words too', async () => {
    const options: TranscribeOptions = { language: 'en', timestamps: 'words', temperatures: [0, 0.6] };
    const numbers = [17, 19, 23];
    const together = await hear(numbers, options);
    for (const [i, n] of numbers.entries()) expect(together[i]).toEqual((await hear([n], options))[0]);
    expect(together.flat().some(({ words }) => words !== undefined && words.length > 0)).toBe(true);
  });

  it('cover a sound, of which the first stretch says the language, and leave nothing open', async () => {
    const speech = recording().subarray(0, 16_000 * 12);
    const sound = { samples: speech, sampleRate: 16_000 };
    const progress: number[] = [];
    const onProgress: TranscribeOptions['onProgress'] = ({ loaded }) => void progress.push(loaded);
    const { segments, language, seconds } = await model.transcribe(sound, { windows: 4, temperatures: [0], onProgress });
    expect(seconds).toBeCloseTo(12, 3);
    expect(['en', 'de']).toContain(language);
    expect(segments.at(-1)!.start).toBeGreaterThan(8);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBeCloseTo(12, 3);
    const controller = new AbortController();
    const stopping = model.transcribe(sound, {
      windows: 4, signal: controller.signal, onProgress: ({ loaded }) => loaded > 0 && controller.abort(new Error('enough')),
    });
    await expect(stopping).rejects.toThrow('enough');
    for (const samples of [new Float32Array(0), new Float32Array(1), new Float32Array(80_000)])
      expect((await model.transcribe({ samples, sampleRate: 16_000 }, { windows: 8 })).segments).toEqual([]);
    // As many sounds are open as there may be, no more.
    const again = await model.transcribe(sound, { windows: 8, temperatures: [0], ...(language !== undefined && { language }) });
    expect(again.segments).toEqual(segments);
  });

  it.each([
    [{ windows: 0 }, 'windows must be a whole number from 1 to 8, found number 0'], [{ windows: 9 }, 'from 1 to 8'],
    [{ windows: 2, beams: 2 }, 'not searched by beams'],
  ])('refuse %j', async (options, message) => {
    await expect(model.transcribe({ samples: new Float32Array(9), sampleRate: 16_000 }, options)).rejects.toThrow(message);
  });
});
