/** Beside transformers (scripts/fixtures/whisper_rules.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../../test/fixture-tensors.ts';
import { largestDifference } from '../../../../test/sound-pieces.ts';
import { compressionRatio, isSilence, needsFallback } from './answer-quality.ts';
import { medianFilter, tokenFrames, warpingPath } from './token-times.ts';
import { applyWhisperRules, detectLanguage, logProbability } from './whisper-rules.ts';
import { WHISPER_LANGUAGES, whisperPrompt, whisperTokens } from './whisper-tokens.ts';
import type { WhisperTokens } from './whisper-tokens.ts';
import { windowSegments } from './window-segments.ts';

interface Rules {
  readonly tokens: Record<'vocab' | 'end' | 'noTimestamps' | 'first', number> & Record<'suppressed' | 'suppressedFirst', number[]>;
  readonly masks: readonly (Record<'said' | 'logits' | 'allowed', number[]> & { readonly mostInitial: number | null })[];
  readonly segments: readonly {
    readonly said: number[]; readonly frames: number; readonly advance: number;
    readonly segments: readonly { readonly start: number; readonly end: number; readonly ids: number[] }[];
  }[];
  readonly paths: readonly { readonly matrix: number[][]; readonly rows: number[]; readonly columns: number[] }[];
  readonly filters: readonly { readonly values: number[]; readonly filtered: number[] }[];
}

const RULES = JSON.parse(readFileSync(`${fixturesPath}whisper/rules.json`, 'utf8')) as Rules;
const { vocab, end, noTimestamps, first, suppressed, suppressedFirst } = RULES.tokens;
const TOKENS: WhisperTokens = {
  vocabSize: vocab, endOfText: end, startOfTranscript: 31, languages: new Map([['en', 32], ['de', 33]]), translate: 34, transcribe: 35,
  startOfLm: 36, startOfPrevious: 37, noSpeech: 38, noTimestamps, firstTimestamp: first,
};

describe('rules of the next token', () => {
  it('allow what those of transformers allow, on 150 answers', () => {
    for (const { said, mostInitial, logits, allowed } of RULES.masks) {
      const own = Float32Array.from(logits);
      applyWhisperRules(own, said, { suppressed, suppressedFirst, timestamps: { mostInitial: mostInitial ?? undefined } }, TOKENS);
      expect([...own].flatMap((logit, id) => (Number.isFinite(logit) ? [id] : [])), JSON.stringify(said)).toEqual(allowed);
    }
  });

  it('without timestamps only suppress', () => {
    const logits = new Float32Array(vocab);
    applyWhisperRules(logits, [1], { suppressed, suppressedFirst }, TOKENS);
    expect([...logits].flatMap((logit, id) => (Number.isFinite(logit) ? [] : [id]))).toEqual(suppressed);
  });
});

describe('segments of a window', () => {
  it('are those of transformers, without empty ones, on 120 answers', () => {
    for (const { said, frames, segments, advance } of RULES.segments) {
      const own = windowSegments(said, frames, TOKENS);
      expect(own.advance, JSON.stringify(said)).toBe(advance);
      // transformers keeps the timestamp behind an unfinished end with its segment, and segments of no text or no time.
      const spoken = segments.filter((segment) => segment.start !== segment.end && segment.ids.some((id) => id < end));
      expect(own.segments.map((segment) => segment.ids.filter((id) => id < first))).toEqual(
        spoken.map((segment) => segment.ids.filter((id) => id < first)));
      expect(largestDifference(own.segments.flatMap((s) => [s.start, s.end]), spoken.flatMap((s) => [s.start, s.end]))).toBeLessThan(1e-6);
    }
  });
});

describe('times of tokens', () => {
  it('the warping path is that of transformers', () => {
    for (const { matrix, rows, columns } of RULES.paths)
      expect(warpingPath(matrix.flat(), matrix[0]!.length)).toEqual({ rows, columns });
  });

  it('the median filter is that of transformers', () => {
    for (const { values, filtered } of RULES.filters) expect(largestDifference(medianFilter(values, 7), filtered)).toBeLessThan(1e-6);
  });

  it('follow where heads look', () => {
    const frames = 40;
    const head = (offset: number) => Float32Array.from({ length: 4 * frames }, (_, i) => {
      const [token, frame] = [Math.floor(i / frames), i % frames];
      return Math.exp(-((frame - 10 * token - 5 - offset) ** 2) / 20);
    });
    const times = tokenFrames({ heads: [head(-1), head(0), head(1)], positions: frames, frames });
    expect(times.length).toBe(4);
    expect(times[0]).toBe(0);
    for (const token of [1, 2, 3]) expect(Math.abs(times[token]! - 10 * token)).toBeLessThanOrEqual(2);
  });
});

describe('special tokens', () => {
  it.each([
    [51_864, { endOfText: 50_256, startOfTranscript: 50_257, translate: 50_357, noSpeech: 50_361, firstTimestamp: 50_363 }, 0],
    [51_865, { endOfText: 50_257, startOfTranscript: 50_258, translate: 50_358, noSpeech: 50_362, firstTimestamp: 50_364 }, 99],
    [51_866, { endOfText: 50_257, startOfTranscript: 50_258, translate: 50_359, noSpeech: 50_363, firstTimestamp: 50_365 }, 100],
  ])('of %i tokens', (size, expected, languages) => {
    const tokens = whisperTokens(size, 'x');
    expect(tokens).toMatchObject(expected);
    expect(tokens.languages.size).toBe(languages);
    if (languages > 0) expect(tokens.languages.get('en')).toBe(50_259);
    expect(tokens).toMatchObject({ noTimestamps: tokens.firstTimestamp - 1, firstTimestamp: size - 1501 });
  });

  it('refuse other vocabularies', () => {
    for (const size of [163, 51_863, 51_867]) expect(() => whisperTokens(size, 'x')).toThrow("expected Whisper's vocabulary");
    expect(WHISPER_LANGUAGES.length).toBe(100);
  });

  it('make prompts, of as much context as there is room for', () => {
    const prompt = { language: 'de', task: 'transcribe', hasTimestamps: true } as const;
    expect(whisperPrompt(TOKENS, prompt, 448)).toEqual([31, 33, 35]);
    expect(whisperPrompt(TOKENS, { ...prompt, task: 'translate', hasTimestamps: false }, 448)).toEqual([31, 33, 34, 40]);
    expect(whisperPrompt(TOKENS, { task: 'transcribe', hasTimestamps: true }, 448)).toEqual([31]);
    const long = whisperPrompt(TOKENS, { ...prompt, previous: Array.from({ length: 500 }, (_, i) => i) }, 448);
    expect([long.length, long[0], long[1], long[223], long[224]]).toEqual([227, 37, 277, 499, 31]);
  });
});

/** As Python's zlib, which openai-whisper asks, packs them. Node's own makes other lengths of three of these. */
const ZLIB_BYTES: readonly (readonly [string, number])[] = [
  ['', 0], ['a', 9], ['Hello there.', 20], ['and so on '.repeat(50), 23], ['äöü€ '.repeat(9), 22],
  ['before | 8 same 189.8 so still down that the', 49], ['I think so, I think not, I think so. So I think, not so I think.', 42],
  ['a rose is a rose is a rose; the rose is red and the red is rose', 42], ['ですますですますしたした、。ですしたます。です', 40],
];

describe('how good an answer is', () => {
  it.each(ZLIB_BYTES)('compresses as zlib does: %j to %i bytes', async (text, bytes) => {
    expect(await compressionRatio(text)).toBe(bytes === 0 ? 0 : new TextEncoder().encode(text).length / bytes);
  });

  it('falls back for repeats and unlikely words, and not for silence', () => {
    const good = { meanLogProbability: -0.3, compressionRatio: 1.5, noSpeechProbability: 0.1 };
    expect(needsFallback(good)).toBe(false);
    expect(needsFallback({ ...good, compressionRatio: 2.5 })).toBe(true);
    expect(needsFallback({ ...good, meanLogProbability: -1.1 })).toBe(true);
    const silent = { ...good, meanLogProbability: -1.1, noSpeechProbability: 0.7 };
    expect([isSilence(silent), needsFallback(silent)]).toEqual([true, false]);
    expect(isSilence({ ...silent, meanLogProbability: -0.5 })).toBe(false);
  });

  it('finds the language among languages alone', () => {
    const logits = new Float32Array(vocab).fill(5);
    [logits[32], logits[33]] = [1, 1 + Math.log(3)];
    expect(detectLanguage(logits, TOKENS)).toEqual({ code: 'de', probability: expect.closeTo(0.75, 5) as number });
    expect(logProbability(Float32Array.of(0, Math.log(3), -Infinity), 1)).toBeCloseTo(Math.log(0.75), 6);
  });
});
