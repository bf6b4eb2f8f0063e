/** Beside openai-whisper's own beam search (scripts/fixtures/whisper_beams.py), and over a model whose beams share a memory. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../../test/fixture-tensors.ts';
import { longDecoder, LONG_ROWS, LONG_RULES, LONG_TOKENS } from '../../../../test/whisper-long.ts';
import type { LongModel } from '../../../../test/whisper-long.ts';
import { openExecutor } from '../../../node/load-model.ts';
import type { HeardSound, SoundDecoder, SoundStep } from '../../sound-decoder.ts';
import { createBeamSearch } from './beam-search.ts';
import type { BeamSettings } from './beam-search.ts';
import { decodeBeams } from './decode-beams.ts';
import { decodeWindow } from './decode-window.ts';
import { applyWhisperRules } from './whisper-rules.ts';

interface Recorded {
  readonly case: number;
  readonly beams: number;
  readonly patience: number | null;
  readonly lengthPenalty: number | null;
  readonly ids: number[];
  readonly logProbability: number;
}

const CASES = JSON.parse(readFileSync(`${fixturesPath}whisper/beams.json`, 'utf8')) as Recorded[];
const [VOCAB, END, MOST] = [12, 0, 14];

/** As the script makes them. */
function logitsOf(ids: readonly number[], number: number): Float32Array {
  const logits = Float32Array.from({ length: VOCAB }, (_, token) => {
    const before = (ids.at(-1) ?? 77) * 1_299_709 + (ids.at(-2) ?? 5) * 15_485_863;
    const x = (number * 7919 + ids.length * 104_729 + before + token * 32_452_843) % 2 ** 32;
    return ((((x ^ (x >>> 15)) >>> 0) * 739) % 65_521) / 65_521 * 6 - 3;
  });
  if (ids.length === 0) logits[END] = -Infinity;
  return logits;
}

describe('beam search', () => {
  it('finds what openai-whisper finds, of 60 searches with patience and penalties', () => {
    for (const { case: number, beams, patience, lengthPenalty, ids, logProbability } of CASES) {
      const search = createBeamSearch({ beams, patience: patience ?? 1, lengthPenalty: lengthPenalty ?? undefined }, END);
      for (let i = 0; i < MOST && !search.advance(search.live.map((beam) => logitsOf(beam.ids, number))); i++);
      const best = search.best();
      expect(best.ids, `case ${number}`).toEqual(ids);
      expect(best.logProbability).toBeCloseTo(logProbability, 3);
    }
    expect(CASES.length).toBe(60);
  });

  it('says where nothing may follow', () => {
    const search = createBeamSearch({ beams: 2, patience: 1 }, END);
    expect(() => search.advance([new Float32Array(VOCAB).fill(-Infinity)])).toThrow('no token may follow');
  });
});

const MADE = JSON.parse(readFileSync(`${fixturesPath}whisper/long.json`, 'utf8')) as LongModel;
const PROMPT = [41, 42, 45];

/** Every beam's tokens anew at each step. */
async function plainSearch(decoder: SoundDecoder, sound: HeardSound, beams: BeamSettings, most: number): Promise<readonly number[]> {
  const search = createBeamSearch(beams, LONG_TOKENS.endOfText);
  for (let length = 0; length < most; length++) {
    const logits: Float32Array[] = [];
    for (const { ids } of search.live) {
      sound.rewind(0);
      const tokens = [...PROMPT, ...ids];
      const own = (await decoder.logits([{ sound, tokens, outputs: [tokens.length - 1] }])).slice();
      applyWhisperRules(own, ids, LONG_RULES, LONG_TOKENS);
      logits.push(own);
    }
    if (search.advance(logits)) break;
  }
  return search.best().ids;
}

describe('beams over a sound', () => {
  it('share its memory, and say what each would say by itself', async () => {
    const decoder = await longDecoder(await openExecutor({ device: 'cpu', threads: 1 }), MADE);
    const steps: number[] = [];
    const counting = {
      vocabSize: decoder.vocabSize, contextLength: decoder.contextLength, branch: (sound: HeardSound) => decoder.branch(sound),
      logits(all: readonly SoundStep[]) {
        steps.push(all.reduce((sum, { tokens }) => sum + tokens.length, 0));
        return decoder.logits(all);
      },
    };
    const different = new Set<string>();
    try {
      for (let window = 0; window < 4; window++) {
        const mel = Float32Array.from({ length: LONG_ROWS * 80 }, (_, i) =>
          Math.sin(i * 0.013 * (window + 1)) + Math.sin(i * 0.00071 * window));
        const sound = await decoder.hear(mel);
        const request = { decoder: counting, sound, prompt: PROMPT, rules: LONG_RULES, tokens: LONG_TOKENS, textOf: () => '' };
        const greedy = await decodeWindow({ ...request, temperatures: [0] });
        for (const beams of [{ beams: 2, patience: 1 }, { beams: 5, patience: 2, lengthPenalty: 1 }]) {
          sound.rewind(0);
          const { ids, noSpeechProbability } = await decodeBeams({ ...request, beams }, 64);
          expect(noSpeechProbability).toBeCloseTo(greedy.noSpeechProbability, 4);
          expect(ids).toEqual(await plainSearch(decoder, sound, beams, 64));
          different.add(String(ids)).add(String(greedy.ids));
        }
        sound.close();
      }
      expect(different.size).toBeGreaterThan(4);
      // All courses but the sounds' own were closed: as many open again.
      const sound = await decoder.hear(new Float32Array(LONG_ROWS * 80));
      const branches = Array.from({ length: 7 }, () => decoder.branch(sound));
      expect(() => decoder.branch(sound)).toThrow('8 courses of tokens are open');
      sound.close();
      await expect(decoder.hear(new Float32Array(LONG_ROWS * 80))).rejects.toThrow('1 sounds are open');
      for (const branch of branches) branch.close();
      (await decoder.hear(new Float32Array(LONG_ROWS * 80))).close();
    } finally {
      await decoder.dispose();
    }
  });
});
