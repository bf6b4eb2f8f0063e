/** Whisper on an executor, against what transformers computes (../shared/golden/whisper). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { createSoundDecoder, memoryOf } from '../src/engine/sound-decoder.ts';
import type { HeardSound, SoundDecoder } from '../src/engine/sound-decoder.ts';
import { tokenEnds } from '../src/engine/speech/whisper/window-words.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import type { Executor } from '../src/graph/executor.ts';
import { LISTENER } from '../src/graph/model-graphs.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { locate } from '../src/node/open-path.ts';
import { f32Of, fixturesPath, readFixtureTensors, sharedPath } from './fixture-tensors.ts';
import { expectClose } from './relative-error.ts';
import { transposed } from './sound-pieces.ts';

const FOLDER = `${sharedPath}/golden/whisper`;
export const WHISPER_GOLDEN = 'golden/whisper/golden.json';

interface Golden {
  readonly prompts: { readonly forced: readonly number[] };
  readonly greedy: { readonly forced: readonly number[] };
}

/** What the encoder makes of 300 frames, the decoder's logits of a prompt and of each greedy token, and those tokens. */
export async function checkWhisper(executor: Executor, tolerance: number): Promise<void> {
  const { prompts: { forced: prompt }, greedy: { forced: greedy } } = JSON.parse(readFileSync(`${FOLDER}/golden.json`, 'utf8')) as Golden;
  const tensors = readFixtureTensors(`${FOLDER}/golden.safetensors`);
  const of = (name: string) => f32Of(tensors, name);
  // transformers has [bands, frames].
  const mel = transposed(of('input_features'), 80);
  const checkpoint = await openCheckpoint(await locate(FOLDER));
  const opened = await openDecoder(checkpoint);
  expect(opened.warnings).toEqual([]);
  const decoder = await createSoundDecoder({ executor, decoder: opened, mostRows: 300, sounds: 2 });
  await checkpoint.close();
  try {
    const { program } = decoder;
    expect(memoryOf(program.model, 300)).toBe(150);
    const pages = [Int32Array.of(0, 1, 2), Int32Array.of(0)];
    program.ensurePages(0, 3);
    program.ensurePages(1, 1);
    const [made] = await program.run([{
      graph: LISTENER.graph, dims: { [LISTENER.rows]: 300 },
      inputs: { [LISTENER.sound]: mel, [LISTENER.positions]: Int32Array.from({ length: 150 }, (_, i) => i) },
      sequences: [{ rows: 150, start: 0, pages }], wanted: ['hidden.0', 'hidden.1', LISTENER.encoded],
    }]);
    for (const [tap, name] of [['hidden.0', 'hidden.0'], ['hidden.1', 'hidden.1'], [LISTENER.encoded, 'output']] as const)
      expectClose(`encoder ${name}`, { wanted: of(`encoder.${name}`), found: made!.get(tap)! }, tolerance);
    const heard = await decoder.hear(mel);
    const outputs = prompt.map((_, i) => i);
    const logits = await decoder.logits([{ sound: heard, tokens: prompt, outputs }]);
    expectClose('logits', { wanted: of('forced.logits'), found: logits }, tolerance);
    const steps = [logits.slice((prompt.length - 1) * decoder.vocabSize)];
    for (const token of greedy.slice(0, -1)) steps.push((await decoder.logits([{ sound: heard, tokens: [token], outputs: [0] }])).slice());
    const found = Float32Array.from(steps.flatMap((step) => [...step]));
    expectClose('greedy logits', { wanted: of('forced.greedy_logits'), found }, tolerance);
    await checkAlignment(decoder, heard, tolerance);
    heard.close();
    // Two windows of the same sound at a time.
    const both = [await decoder.hear(mel), await decoder.hear(mel)];
    const answers = await decoder.greedy(both, { prompt, endIds: [], maxTokens: greedy.length });
    expect(answers).toEqual([greedy, greedy]);
  } finally {
    await decoder.dispose();
  }
}

interface Alignment {
  readonly fed: number[];
  /** Tokens before the answer. */
  readonly prompt: number;
  /** By row, by head of the last layer. */
  readonly weights: Readonly<Record<string, number[][]>>;
  /** By frames that are sound: zeros, then where each token of the answer ends, and where the last one does once more. */
  readonly times: Readonly<Record<string, number[]>>;
}

/** Weights of cross attention and the times of tokens, beside transformers (scripts/fixtures/whisper_words.py). */
async function checkAlignment(decoder: SoundDecoder, sound: HeardSound, tolerance: number): Promise<void> {
  const { attention } = JSON.parse(readFileSync(`${fixturesPath}whisper/words.json`, 'utf8')) as { attention: Alignment };
  const { fed, prompt, weights, times } = attention;
  const heads = await decoder.align(sound, fed);
  expect(heads.map(({ length }) => length)).toEqual(new Array(4).fill(fed.length * 150));
  for (const [row, wanted] of Object.entries(weights)) {
    const found = heads.flatMap((head) => [...head.subarray(Number(row) * 150, (Number(row) + 1) * 150)]);
    const both = { wanted: Float32Array.from(wanted.flat()), found: Float32Array.from(found) };
    expectClose(`weights of row ${row}`, both, Math.max(1e-4, tolerance));
  }
  for (const [frames, wanted] of Object.entries(times)) {
    const ends = await tokenEnds(decoder, { sound, prompt: fed.slice(0, prompt), ids: fed.slice(prompt), frames: Number(frames) });
    expect(ends.map((end) => Math.round(end * 100) / 100)).toEqual(wanted.slice(prompt, -1));
  }
}
