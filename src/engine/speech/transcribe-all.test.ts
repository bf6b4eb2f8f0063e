import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../../test/fixture-tensors.ts';
import { parakeetFolder } from '../../../test/parakeet-folder.ts';
import { parakeetGolden } from '../../../test/parakeet-golden.ts';
import { loudnessDetector } from '../../../test/scripted-cascade.ts';
import { longSpeechModel } from '../../../test/whisper-long.ts';
import type { LongModel } from '../../../test/whisper-long.ts';
import { openExecutor } from '../../node/load-model.ts';
import { loadSpeechModel } from '../../node/load-speech-model.ts';
import type { TranscriptSegment } from '../../text/transcript-formats.ts';
import { createSpeechModel } from './speech-model.ts';
import type { SpeechModel } from './speech-model.ts';
import type { TranscribeOptions } from './transcribe-options.ts';
import { createTurnRecogniser } from './turn-recogniser.ts';

const RATE = 16_000;
const RECORDING = 'real/moonshine/speech-60s.wav';

/** Of each part it says its length and its level; `batches` has how many it was given at a time. */
function quickModel(batches: number[]): SpeechModel {
  const recogniser = createTurnRecogniser({
    architecture: 'quick', abilities: { languages: ['en'], words: false }, detector: loudnessDetector(),
    hear: async (parts, { signal }) => {
      batches.push(parts.length);
      await new Promise((resolve) => setTimeout(resolve, 2));
      signal?.throwIfAborted();
      return parts.map(({ samples }) => ({ text: `${samples.length} at ${samples[samples.length >> 1]!.toFixed(2)}` }));
    },
    dispose: async () => {},
  });
  const memory = { weightBytes: 0, kvBytes: 0, workBytes: 0 };
  return createSpeechModel({ name: 'quick', architecture: 'quick', device: 'none', memory, warnings: [] }, recogniser);
}

/** Turns of a second at a level of their own, with pauses of a second. */
function turnsAt(level: number, turns: number) {
  const samples = new Float32Array(2 * turns * RATE);
  for (let turn = 0; turn < turns; turn++) samples.fill(level, 2 * turn * RATE, (2 * turn + 1) * RATE);
  return { samples, sampleRate: RATE };
}

describe('several sounds at once', () => {
  const sounds = [3, 0, 5, 1, 2].map((turns, i) => turnsAt(0.6 + i / 20, turns));

  it('each says what it says alone; parts of different sounds are heard together', async () => {
    const batches: number[] = [];
    const model = quickModel(batches);
    const wanted = [];
    for (const sound of sounds) wanted.push(await model.transcribe(sound));
    batches.length = 0;
    const [told, done]: [TranscriptSegment[][], number[]] = [sounds.map(() => []), []];
    let [open, most] = [0, 0];
    const stream = async function* (samples: Float32Array): AsyncGenerator<Float32Array> {
      most = Math.max(most, ++open);
      for (let at = 0; at < samples.length; at += 8000) yield samples.subarray(at, at + 8000);
      open--;
    };
    const found = await model.transcribeAll(sounds.map(({ samples }) => () => ({ chunks: stream(samples), sampleRate: RATE })), {
      together: 3, onSegment: (segment, index) => void told[index]!.push(segment), onTranscript: (_, index) => void done.push(index),
    });
    expect(found).toEqual(wanted);
    expect(told).toEqual(wanted.map(({ segments }) => segments));
    expect(done.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(most).toBe(3);
    // Eleven turns, of which one sound alone would have had five calls.
    expect(batches.reduce((sum, count) => sum + count)).toBe(11);
    expect(Math.max(...batches)).toBeGreaterThan(2);
  });

  it('one that fails ends all with its error, and an abort with its reason', async () => {
    const batches: number[] = [];
    const model = quickModel(batches);
    const broken = () => Promise.reject(new Error('no such file'));
    await expect(model.transcribeAll([sounds[0]!, broken, sounds[2]!])).rejects.toThrow('no such file');
    const controller = new AbortController();
    const onSegment = (): void => controller.abort(new Error('enough'));
    await expect(model.transcribeAll(sounds, { signal: controller.signal, onSegment })).rejects.toThrow('enough');
    expect((await model.transcribeAll([])).length).toBe(0);
    expect((await model.transcribeAll([sounds[3]!]))[0]!.segments.length).toBe(1);
  });

  /** A stream as one of a file: what closes it is reached only where it was begun. */
  function countedStreams() {
    const counts = { opened: 0, closed: 0 };
    const chunks = async function* (samples: Float32Array): AsyncGenerator<Float32Array> {
      try {
        for (let at = 0; at < samples.length; at += 8000) yield samples.subarray(at, at + 8000);
      } finally {
        counts.closed++;
      }
    };
    const open = ({ samples }: { readonly samples: Float32Array }, rate = RATE) => {
      counts.opened++;
      return { chunks: chunks(samples), sampleRate: rate };
    };
    return { counts, open };
  }

  it('an abort between two sounds is no success with sounds missing, and what was opened is closed', async () => {
    for (const together of [1, 2]) {
      const model = quickModel([]);
      const { counts, open } = countedStreams();
      const controller = new AbortController();
      const onTranscript = (_: unknown, index: number): void => void (index === 0 && controller.abort(new Error('enough')));
      const all = model.transcribeAll(sounds.map((sound) => () => open(sound)), { together, signal: controller.signal, onTranscript });
      await expect(all).rejects.toThrow('enough');
      // An abort while the next is being opened.
      const opening = new AbortController();
      const late = sounds.map((sound, i) => async () => {
        if (i === together) opening.abort(new Error('too late'));
        await Promise.resolve();
        return open(sound);
      });
      await expect(model.transcribeAll(late, { together, signal: opening.signal })).rejects.toThrow('too late');
      await expect.poll(() => counts.opened - counts.closed, { timeout: 20_000 }).toBe(0);
      expect(counts.opened).toBeGreaterThan(1);
    }
  });

  it('a stream that is refused before it is read is closed', async () => {
    const { counts, open } = countedStreams();
    await expect(quickModel([]).transcribeAll([() => open(sounds[0]!, -1)])).rejects.toThrow(/sampleRate/);
    await expect.poll(() => counts, { timeout: 20_000 }).toEqual({ opened: 1, closed: 1 });
  });

  it.each([
    [{ together: 9 }, /together must be an integer from 1 to 8, found 9/],
    [{ windows: 2 }, /transcribeAll has no option "windows"/],
    [{ beams: 2 }, /transcribeAll has no option "beams"/],
    [{ onSegment: 3 }, /onSegment must be a function/],
  ] as const)('refuses %j', async (options, message) => {
    await expect(quickModel([]).transcribeAll(sounds, options as object)).rejects.toThrow(message);
  });
});

const FAMILIES: readonly (readonly [string, TranscribeOptions, () => Promise<SpeechModel>])[] = [
  ['Whisper', { language: 'en', temperatures: [0] }, async () => {
    const made = JSON.parse(readFileSync(`${fixturesPath}whisper/long.json`, 'utf8')) as LongModel;
    return longSpeechModel(await openExecutor({ device: 'cpu', threads: 1 }), made);
  }],
  ['Parakeet', { pieceSeconds: 2 }, async () => {
    const folder = parakeetFolder('parakeet_tdt');
    try {
      return await loadSpeechModel(folder, { device: 'cpu', threads: 1 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }],
];

const hasAll = hasShared(RECORDING) && hasShared(parakeetGolden('parakeet_tdt'));

describe.skipIf(!hasAll).each(FAMILIES)('%s of random weights', (_, options, load) => {
  let model: SpeechModel;
  beforeAll(async () => void (model = await load()));
  afterAll(() => model.dispose());

  it('says of each sound what it says of it alone', async () => {
    const bytes = readFileSync(`${sharedPath}/${RECORDING}`);
    const speech = Float32Array.from(new Int16Array(new Uint8Array(bytes).buffer, 44), (value) => value / 32_768);
    const sounds = [[0, 4], [10, 17], [30, 31.5], [40, 45], [20, 20]].map(([from, to]) =>
      ({ samples: speech.slice(from! * RATE, to! * RATE), sampleRate: RATE }));
    const wanted = [];
    for (const sound of sounds) wanted.push(await model.transcribe(sound, options));
    expect(await model.transcribeAll(sounds, { ...options, together: 3 })).toEqual(wanted);
    expect(wanted.slice(0, 4).every(({ text }) => text !== '')).toBe(true);
  });
});
