/** Which temperature's answer is taken, beside openai-whisper's `transcribe` and `GreedyDecoder` (scripts/fixtures/whisper_fallback.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../../test/fixture-tensors.ts';
import type { HeardSound, SoundStep } from '../../sound-decoder.ts';
import { isSilence } from './answer-quality.ts';
import { decodeWindow } from './decode-window.ts';
import type { WindowRequest } from './window-request.ts';
import type { WhisperTokens } from './whisper-tokens.ts';

interface Attempt {
  /** Words that are equally likely, and how many are said. */
  readonly likely: number;
  readonly length: number;
  readonly text: string;
  /** The logit of no speech, beside zeros. */
  readonly noSpeech: number;
  /** Mean log probability, compression ratio, probability of no speech. */
  readonly figures: readonly [number, number, number];
}

const recorded = JSON.parse(readFileSync(`${fixturesPath}whisper/fallback.json`, 'utf8')) as {
  readonly cases: readonly { readonly attempts: readonly Attempt[]; readonly taken: number | null }[];
  readonly logits: readonly number[];
  readonly shares: Readonly<Record<string, readonly number[]>>;
};
const [START, END, NO_SPEECH, VOCAB] = [7, 8, 9, 10];
const TOKENS: WhisperTokens = {
  vocabSize: VOCAB, endOfText: END, startOfTranscript: START, languages: new Map(), translate: 0, transcribe: 0, startOfLm: 0,
  startOfPrevious: 0, noSpeech: NO_SPEECH, noTimestamps: VOCAB, firstTimestamp: VOCAB,
};
const PROMPT = [START, 0];

/** A decoder that says so many words at each attempt. */
function request(logitsAt: (attempt: number, said: number) => Float32Array, first: (attempt: number) => Float32Array, contextLength = 448) {
  const told = { attempts: 0 };
  const sound: HeardSound = {
    memory: 1, length: 0, close() {},
    rewind() {
      told.attempts++;
    },
  };
  let said = 0;
  const decoder: WindowRequest['decoder'] = {
    vocabSize: VOCAB, contextLength, branch: () => sound,
    async logits([step]: readonly SoundStep[]) {
      const { tokens, outputs } = step!;
      const isPrompt = tokens.length > 1;
      said = isPrompt ? 0 : said + 1;
      const attempt = told.attempts - 1;
      return Float32Array.from(outputs.flatMap((at) => [...(isPrompt && at === 0 ? first(attempt) : logitsAt(attempt, said))]));
    },
  };
  return { told, request: { decoder, sound, prompt: PROMPT, rules: { suppressed: [], suppressedFirst: [] }, tokens: TOKENS } };
}

const only = (id: number, value: number, rest: number): Float32Array => new Float32Array(VOCAB).fill(rest).fill(value, id, id + 1);

describe('a window at several temperatures', () => {
  it.each(recorded.cases.map((each, i) => [i, each] as const))('is decided as by openai-whisper: %i', async (_, { attempts, taken }) => {
    const logitsAt = (attempt: number, said: number): Float32Array => {
      const { likely, length } = attempts[attempt]!;
      return said >= length ? only(END, 0, -1e4) : new Float32Array(VOCAB).fill(-1e4).fill(0, 0, likely);
    };
    const { told, request: made } = request(logitsAt, (attempt) => only(NO_SPEECH, attempts[attempt]!.noSpeech, 0));
    const answer = await decodeWindow({ ...made, textOf: () => attempts[told.attempts - 1]!.text });
    expect(told.attempts).toBe(attempts.length);
    expect(answer.ids).toHaveLength(attempts.at(-1)!.length);
    const [mean, ratio, noSpeech] = attempts.at(-1)!.figures;
    expect(answer.meanLogProbability).toBeCloseTo(mean, 5);
    expect(answer.compressionRatio).toBeCloseTo(ratio, 6);
    expect(answer.noSpeechProbability).toBeCloseTo(noSpeech, 6);
    expect(isSilence(answer) ? null : answer.temperature).toBe(taken);
  });

  it.each(Object.entries(recorded.shares))('says words as often as they are likely at temperature %s', async (temperature, shares) => {
    const logits = Float32Array.from([...recorded.logits, -Infinity, -Infinity]);
    const { request: made } = request(() => logits, () => logits, 8192);
    const { ids } = await decodeWindow({ ...made, temperatures: [Number(temperature)], textOf: () => '' });
    expect(ids).toHaveLength(4096);
    for (const [id, share] of shares.entries()) {
      const count = ids.filter((said) => said === id).length;
      expect(Math.abs(count - 4096 * share)).toBeLessThan(1 + 4.5 * Math.sqrt(4096 * share * (1 - share)));
    }
  });
});
