import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { joinSamples } from '../../audio/audio-stream.ts';
import { openAudio } from '../../audio/open-audio.ts';
import { resample } from '../../audio/resample.ts';
import { fileSource } from '../../node/file-source.ts';
import { loadSpeechModel } from '../../node/load-speech-model.ts';
import { hasShared, sharedPath } from '../../../test/fixture-tensors.ts';
import { arriving, piecesOf } from '../../../test/sound-pieces.ts';
import type { ProgressEvent } from '../../tensor/progress.ts';
import type { TranscriptSegment } from '../../text/transcript-formats.ts';
import { createSpeechModel } from './speech-model.ts';
import type { Recogniser } from './recogniser.ts';
import type { SpeechModel } from './speech-model.ts';

const FOLDER = `${sharedPath}/real/moonshine`;
const hasReal = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf');

interface Expected {
  readonly pieces: readonly { readonly samples: readonly [number, number]; readonly text: string }[];
}

it('listens without times of words, whatever the model has of them', async () => {
  const recogniser: Recogniser = {
    abilities: { languages: [], prompts: false, turns: true, words: true, translates: false, searches: false },
    checkOptions() {},
    async *segments() {},
    hearAll: async () => {},
    async *listen() {},
    dispose: async () => {},
  };
  const about = { name: 'x', architecture: 'x', device: 'cpu', memory: { weightBytes: 0, stateBytes: 0 } as never, warnings: [] };
  const model = createSpeechModel(about, recogniser);
  const sound = { samples: new Float32Array(1), sampleRate: 16_000 };
  await expect(model.listen(sound, { timestamps: 'words' }).next()).rejects.toThrow(/times of turns alone.*use segments/);
  expect((await model.listen(sound, { timestamps: 'segments' }).next()).done).toBe(true);
});

describe.skipIf(!hasReal)('Moonshine on a recording of a minute', () => {
  let model: SpeechModel;
  let speech: Float32Array;
  const { pieces } = hasReal ? (JSON.parse(readFileSync(`${FOLDER}/expected.json`, 'utf8')) as Expected) : { pieces: [] };
  beforeAll(async () => {
    model = await loadSpeechModel(FOLDER, { device: 'cpu', tokenizer: `${sharedPath}/vocab/llama-spm.gguf` });
    const parts: Float32Array[] = [];
    for await (const chunk of (await openAudio(await fileSource(`${FOLDER}/speech-60s.wav`))).chunks) parts.push(chunk.slice());
    speech = joinSamples(parts);
  });
  afterAll(() => model.dispose());

  it('gives the words of transformers for each piece of ten seconds, from the file as it comes', async () => {
    const events: ProgressEvent[] = [];
    const stream = await openAudio(await fileSource(`${FOLDER}/speech-60s.wav`));
    const { segments, seconds } = await model.transcribe(stream, { pieceSeconds: 10, onProgress: (event) => void events.push(event) });
    expect(segments.map(({ text }) => text)).toEqual(pieces.map(({ text }) => text));
    expect(segments.map(({ start }) => start)).toEqual([0, 10, 20, 30, 40, 50]);
    expect(seconds).toBeCloseTo(60, 3);
    expect(events.map(({ loaded }) => Math.round(loaded))).toEqual([0, 10, 20, 30, 40, 50, 60, 60]);
    expect(new Set(events.map(({ phase }) => phase))).toEqual(new Set(['transcribe']));
    expect(new Set(events.map(({ total }) => Math.round(total)))).toEqual(new Set([60]));
  });

  it('hears several sounds at once: of each what it says alone', async () => {
    const sounds = pieces.slice(1, 4).map(({ samples: [from, to] }) => ({ samples: speech.slice(from, to), sampleRate: 16_000 }));
    const heard = await model.transcribeAll(sounds, { pieceSeconds: 10 });
    expect(heard.map(({ text }) => text)).toEqual(pieces.slice(1, 4).map(({ text }) => text));
  });

  it('cuts where nobody speaks, and gives a turn when it is over', async () => {
    const half = speech.subarray(0, 16_000 * 25);
    const silence = new Float32Array(16_000 * 2);
    const stereo = (mono: Float32Array) => Float32Array.from({ length: 2 * mono.length }, (_, i) => mono[i >> 1]!);
    const sound = stereo(joinSamples([silence, half, silence]));
    const chunks = arriving(piecesOf(sound, 60_000, 3).map((piece) => piece.subarray(0, piece.length & ~1)));
    const segments = [];
    for await (const segment of model.segments({ sampleRate: 16_000, channels: 2, frames: undefined, chunks })) segments.push(segment);
    expect(segments.length).toBeGreaterThan(1);
    expect(segments[0]!.start).toBeGreaterThan(1.5);
    for (const { start, end } of segments) expect(end - start).toBeLessThanOrEqual(20);
    expect(segments.map(({ text }) => text).join(' ')).toMatch(/how do I get to Dublin.*start from here.*political philosophy/s);
  });

  it('says while somebody speaks what it says of the whole sound', async () => {
    const sound = { samples: joinSamples([speech.subarray(0, 16_000 * 9), new Float32Array(16_000)]), sampleRate: 16_000 };
    const [partials, finals]: [TranscriptSegment[], TranscriptSegment[]] = [[], []];
    const chunks = arriving(piecesOf(sound.samples, 20_000, 5));
    for await (const event of model.listen({ chunks, sampleRate: 16_000 }, { partialMs: 800 }))
      if (event.kind !== 'start') (event.kind === 'final' ? finals : partials).push(event.segment);
    expect(finals).toEqual((await model.transcribe(sound)).segments);
    expect(finals.map(({ text }) => text).join(' ')).toMatch(/how do I get to Dublin.*start from here/s);
    for (const { start } of partials) expect(finals.map((segment) => segment.start)).toContain(start);
    expect(model.info.isLive).toBe(true);
    const listen = async (options: object): Promise<void> => void (await model.listen(sound, options).next());
    await expect(listen({ pieceSeconds: 3 })).rejects.toThrow('pieceSeconds');
    await expect(listen({ partialMs: -1 })).rejects.toThrow('partialMs must be');
    await expect(listen({ language: 'de' })).rejects.toThrow('English ("en") alone');
  });

  it('hears the same at another rate', async () => {
    const { samples } = resample({ samples: speech.subarray(160_000, 320_000), sampleRate: 16_000 }, 48_000);
    const { text } = await model.transcribe({ samples, sampleRate: 48_000 }, { pieceSeconds: 10 });
    expect(text).toBe(pieces[1]!.text);
  });

  it('hears nothing in silence, in nothing and in a sample', async () => {
    for (const length of [0, 1, 48_000]) {
      const transcript = await model.transcribe({ samples: new Float32Array(length), sampleRate: 16_000 });
      expect(transcript).toEqual({ text: '', segments: [], language: undefined, seconds: length / 16_000 });
    }
  });

  it('stops when it is told to, and goes on with the next call', async () => {
    const controller = new AbortController();
    const sound = { samples: speech.subarray(0, 320_000), sampleRate: 16_000 };
    const onProgress = ({ loaded }: ProgressEvent): void => {
      if (loaded > 5) controller.abort(new Error('enough'));
    };
    await expect(model.transcribe(sound, { pieceSeconds: 2, signal: controller.signal, onProgress })).rejects.toThrow('enough');
    for await (const segment of model.segments(sound, { pieceSeconds: 10 })) {
      expect(segment.text).toBe(pieces[0]!.text);
      break;
    }
  });

  it.each([
    [{ language: 'de' }, 'English ("en") alone'], [{ timestamps: 'words' }, 'no times of words'], [{ prompt: 'x' }, 'takes no prompt'],
    [{ pieceSeconds: 31 }, 'at most 30'], [{ pieceSeconds: 3, turns: {} }, 'both say where'], [{ turns: { frameMs: 10 } }, 'frameMs is 32'],
    [{ turns: { maxTurnMs: 40_000 } }, 'at most 30000'], [{ languge: 'en' }, 'Did you mean language'],
  ])('refuses %j', async (options, message) => {
    await expect(model.transcribe({ samples: new Float32Array(9), sampleRate: 16_000 }, options as object)).rejects.toThrow(message);
  });

  it.each([
    ['NaN', { samples: Float32Array.of(0, NaN), sampleRate: 16_000 }, 'sample 1 of 2 is NaN'],
    ['a rate of 0', { samples: new Float32Array(9), sampleRate: 0 }, 'sampleRate must be'],
    ['numbers alone', new Float32Array(9), 'expected a sound as { samples, sampleRate }'],
    ['no channels', { chunks: arriving([]), channels: 0, sampleRate: 8000, frames: 0 }, 'channels must be'],
    ['half a frame', { chunks: arriving([new Float32Array(3)]), channels: 2, sampleRate: 8000, frames: 1 }, 'no whole number of 2'],
  ])('refuses a sound of %s', async (_name, sound, message) => {
    await expect(model.transcribe(sound as never)).rejects.toThrow(message);
  });
});
