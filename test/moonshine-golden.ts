/** Moonshine on an executor, against what transformers computes (../shared/golden/moonshine). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { createSoundDecoder, memoryOf } from '../src/engine/sound-decoder.ts';
import type { HeardSound } from '../src/engine/sound-decoder.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import type { Executor } from '../src/graph/executor.ts';
import { DECODER, LISTENER } from '../src/graph/model-graphs.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { locate } from '../src/node/open-path.ts';
import { f32Of, readFixtureTensors, sharedPath } from './fixture-tensors.ts';
import { expectClose } from './relative-error.ts';

export const MOONSHINE_FOLDER = `${sharedPath}/golden/moonshine`;
export const MOONSHINE_GOLDEN = 'golden/moonshine/golden.json';

interface Golden {
  readonly runs: Readonly<Record<string, { readonly greedy: readonly number[]; readonly frames: number }>>;
}

interface Room {
  readonly mostRows: number;
  readonly sounds?: number;
}

async function openPath(executor: Executor, path: string, { mostRows, sounds = 1 }: Room) {
  const checkpoint = await openCheckpoint(await locate(path));
  try {
    return await createSoundDecoder({ executor, decoder: await openDecoder(checkpoint), mostRows, sounds });
  } finally {
    await checkpoint.close();
  }
}

/**
 * What the listener makes of each sound, its stem and its first layer among it, the decoder's logits and its likeliest tokens.
 * @param path the golden's folder, or a file that was made of it
 */
export async function checkMoonshine(executor: Executor, tolerance: number, path = MOONSHINE_FOLDER): Promise<void> {
  const { runs } = JSON.parse(readFileSync(`${MOONSHINE_FOLDER}/golden.json`, 'utf8')) as Golden;
  const tensors = readFixtureTensors(`${MOONSHINE_FOLDER}/golden.safetensors`);
  const of = (name: string) => f32Of(tensors, name);
  const mostRows = Math.max(...Object.keys(runs).map((run) => of(`${run}.waveform`).length));
  const decoder = await openPath(executor, path, { mostRows, sounds: 2 });
  try {
    const { program } = decoder;
    for (const [run, { greedy, frames }] of Object.entries(runs)) {
      const sound = of(`${run}.waveform`);
      expect(memoryOf(program.model, sound.length)).toBe(frames);
      const pages = [Int32Array.of(0), Int32Array.of(0)];
      program.ensurePages(0, 1);
      const [made] = await program.run([{
        graph: LISTENER.graph, dims: { [LISTENER.rows]: sound.length },
        inputs: { [LISTENER.sound]: sound, [LISTENER.positions]: Int32Array.from({ length: frames }, (_, i) => i) },
        sequences: [{ rows: frames, start: 0, pages }], wanted: ['stem', 'hidden.1', LISTENER.encoded],
      }]);
      for (const [tap, name] of [['stem', 'stem'], ['hidden.1', 'encoder_hidden.1'], [LISTENER.encoded, 'encoded']] as const)
        expectClose(`${run} ${name}`, { wanted: of(`${run}.${name}`), found: made!.get(tap)! }, tolerance);
      const heard = await decoder.hear(sound);
      const tokens = [1, ...greedy].slice(0, -1);
      const all = tokens.map((_, i) => i);
      const logits = of(`${run}.logits`);
      expectClose(`${run} logits`, { wanted: logits, found: await decoder.logits([{ sound: heard, tokens, outputs: all }]) }, tolerance);
      expect(heard.length).toBe(tokens.length);
      // Some at a time, and after taking some back.
      heard.rewind(3);
      const again = await decoder.logits([{ sound: heard, tokens: tokens.slice(3, 5), outputs: [1] }]);
      const row = logits.subarray(4 * decoder.vocabSize, 5 * decoder.vocabSize);
      expectClose(`${run} again`, { wanted: row, found: again }, tolerance);
      heard.close();
    }
    await checkGreedy(decoder, runs, of);
  } finally {
    await decoder.dispose();
  }
}

/** Both sounds together, one of which ends first; then one of them, over what another left in its memory. */
async function checkGreedy(
  decoder: Awaited<ReturnType<typeof openPath>>, runs: Golden['runs'], of: (name: string) => Float32Array,
): Promise<void> {
  const names = Object.keys(runs);
  const sounds = [];
  for (const name of names) sounds.push(await decoder.hear(of(`${name}.waveform`)));
  await expect(decoder.hear(of(`${names[0]}.waveform`))).rejects.toThrow('2 sounds are open, as many as there may be');
  const wanted = names.map((name) => runs[name]!.greedy);
  const maxTokens = wanted[0]!.length;
  expect(await decoder.greedy(sounds, { prompt: [1], endIds: [2], maxTokens })).toEqual(wanted);
  for (const sound of sounds) sound.rewind(0);
  // The token that only the second says counts as the end.
  const end = wanted[1]!.find((token) => !wanted[0]!.includes(token))!;
  const ended = await decoder.greedy(sounds, { prompt: [1], endIds: [end], maxTokens });
  expect(ended).toEqual([wanted[0], wanted[1]!.slice(0, wanted[1]!.indexOf(end) + 1)]);
  await checkDrafts(decoder, sounds, wanted);
  for (const sound of sounds) sound.close();
  const alone = await decoder.hear(of(`${names[0]}.waveform`));
  expect(await decoder.greedy([alone], { prompt: [1], endIds: [2], maxTokens: 7 })).toEqual([wanted[0]!.slice(0, 7)]);
  alone.close();
  await expect(decoder.hear(new Float32Array(100))).rejects.toThrow('A sound of 100 rows is too short');
  await expect(decoder.hear(new Float32Array(20_000))).rejects.toThrow('20000');
  expect(DECODER.graph).toBe(decoder.program.model.decoder!.graph);
}

/** Drafts that are right, wrong from some token on, too long, and of one sound alone: the same answers. */
async function checkDrafts(
  decoder: Awaited<ReturnType<typeof openPath>>, sounds: readonly HeardSound[], wanted: readonly (readonly number[])[],
): Promise<void> {
  const maxTokens = wanted[0]!.length;
  const wrong = (from: number) => wanted.map((tokens) => tokens.map((token, i) => (i < from ? token : (token + 1) % decoder.vocabSize)));
  const drafts = [
    wanted, wanted.map((tokens) => [...tokens, 5, 6, 7]), wrong(0), wrong(4), [wanted[0]!, []], [[], wanted[1]!.slice(0, 3)], [[], []],
  ];
  for (const draft of drafts) {
    for (const sound of sounds) sound.rewind(0);
    expect(await decoder.greedy(sounds, { prompt: [1], endIds: [2], maxTokens, drafts: draft })).toEqual(wanted);
    expect(sounds.map(({ length }) => length)).toEqual(wanted.map(({ length }) => length));
  }
}

const REAL = `${sharedPath}/real/moonshine`;
export const MOONSHINE_REAL = 'real/moonshine/expected.json';

interface Expected {
  readonly max_tokens: number;
  readonly pieces: readonly { readonly piece: number; readonly samples: readonly [number, number]; readonly ids: readonly number[] }[];
}

/** A sound that was heard before without its end: what was said of it as a draft, and a listener that can be stopped. */
async function checkShorter(
  decoder: Awaited<ReturnType<typeof openPath>>, sound: Float32Array, ids: readonly number[],
): Promise<void> {
  const options = { prompt: [1], endIds: [2], maxTokens: ids.length };
  const shorter = await decoder.hear(sound.subarray(0, Math.round(0.8 * sound.length)));
  const drafts = await decoder.greedy([shorter], options);
  shorter.close();
  const { signal } = new AbortController();
  const heard = await decoder.hear(sound, signal);
  expect(await decoder.greedy([heard], { ...options, drafts })).toEqual([ids]);
  heard.close();
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(new Error('enough')), 1);
  const stopped = decoder.hear(sound, stopping.signal).then((late) => late.close());
  if (decoder.program.chooser === undefined) await expect(stopped).rejects.toThrow('enough');
  else await stopped;
}

/** Trained weights on pieces of a recording: the ids that transformers has in float32. */
export async function checkRecording(executor: Executor, pieces: readonly number[]): Promise<void> {
  const expected = JSON.parse(readFileSync(`${REAL}/expected.json`, 'utf8')) as Expected;
  // 16 bits, 16 kHz, mono, behind 44 bytes.
  const file = readFileSync(`${REAL}/speech-60s.wav`);
  const values = new Int16Array(file.buffer.slice(file.byteOffset + 44, file.byteOffset + file.length));
  const samples = Float32Array.from(values, (value) => value / 32768);
  const wanted = expected.pieces.filter(({ piece }) => pieces.includes(piece));
  expect(wanted.length).toBe(pieces.length);
  const mostRows = Math.max(...wanted.map(({ samples: [from, to] }) => to - from));
  const decoder = await openPath(executor, REAL, { mostRows });
  try {
    for (const { piece, samples: [from, to], ids } of wanted) {
      const heard = await decoder.hear(samples.subarray(from, to));
      const [found] = await decoder.greedy([heard], { prompt: [1], endIds: [2], maxTokens: expected.max_tokens });
      heard.close();
      expect(found, `piece ${piece}`).toEqual(ids);
      if (piece === 0) await checkShorter(decoder, samples.subarray(from, to), ids);
    }
  } finally {
    await decoder.dispose();
  }
}
