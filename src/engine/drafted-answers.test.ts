/** Answers with drafts, over made-up logits that depend on all tokens before them. */
import { describe, expect, it } from 'vitest';
import { takeDraft } from './drafted-answers.ts';
import type { DraftStep } from './drafted-answers.ts';
import { likeliest, rowsBefore, takeTokens } from './greedy-answers.ts';
import type { Answer, AnswerBounds } from './greedy-answers.ts';
import type { Heard } from './sound-places.ts';

const VOCAB = 16;
const BOUNDS: AnswerBounds = { prompt: [3, 1], endIds: [0], most: 24 };
/** What the sound has before the answer. */
const HELD = [7, 7];

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

/** Logits behind tokens; one in three rows has two that differ by less than rows of a step round. */
function logitsBehind(tokens: readonly number[]): Float32Array {
  const next = random(tokens.reduce((hash, token) => Math.imul(hash ^ token, 0x01000193), 0x811c9dc5));
  for (let i = 0; i < 4; i++) next();
  const logits = Float32Array.from({ length: VOCAB }, () => 8 * next());
  logits[0]! -= 4;
  if (next() < 1 / 3) {
    const best = likeliest(logits);
    const other = (best + 1 + Math.floor(next() * (VOCAB - 1))) % VOCAB;
    logits[other] = logits[best]! - 2e-3 * next();
  }
  return logits;
}

/** A state of tokens by position, and steps over it: those of several rows round each logit. */
function decoder() {
  const state = [...HELD];
  const steps: number[] = [];
  const noise = random(5);
  const run = async ({ tokens, start, outputs }: Omit<DraftStep, 'answer'>): Promise<Float32Array> => {
    expect(start).toBeLessThanOrEqual(state.length);
    state.splice(start, state.length, ...Array.from(tokens));
    steps.push(tokens.length);
    const rows = outputs.map((at) => logitsBehind(state.slice(0, start + at + 1)));
    const isWide = tokens.length > BOUNDS.prompt.length;
    return Float32Array.from(rows.flatMap((row) => [...row].map((value) => value + (isWide ? 1e-2 * (noise() - 0.5) : 0))));
  };
  const answer: Answer = { heard: { length: HELD.length } as Heard, tokens: [], isDone: false };
  const finish = async (): Promise<number[]> => {
    while (!answer.isDone) {
      const rows = rowsBefore(answer, BOUNDS);
      takeTokens(answer, [likeliest(await run({ ...rows, outputs: [rows.tokens.length - 1] }))], BOUNDS);
    }
    return answer.tokens;
  };
  return { answer, run, finish, steps };
}

async function heardWith(draft: readonly number[]): Promise<{ tokens: number[]; steps: readonly number[]; drafted: number }> {
  const { answer, run, finish, steps } = decoder();
  await takeDraft(answer, draft, BOUNDS, run);
  const drafted = answer.tokens.length;
  return { tokens: await finish(), steps, drafted };
}

describe('answers with a draft', () => {
  it('are those without, whatever the draft says', async () => {
    const { tokens: wanted } = await heardWith([]);
    expect(wanted).toHaveLength(24);
    const next = random(1);
    for (let i = 0; i < 300; i++) {
      const right = Math.floor(next() * (wanted.length + 1));
      const wrong = Array.from({ length: Math.floor(next() * 8) }, () => Math.floor(next() * VOCAB));
      const { tokens, drafted } = await heardWith([...wanted.slice(0, right), ...wrong]);
      expect(tokens).toEqual(wanted);
      expect(drafted).toBeGreaterThanOrEqual(Math.min(right, 1));
    }
  });

  it('take one wide step, and two for each tie', async () => {
    const { tokens, steps: oneByOne } = await heardWith([]);
    expect(oneByOne).toHaveLength(tokens.length);
    const { steps, drafted } = await heardWith(tokens);
    expect(drafted).toBe(tokens.length);
    const ones = steps.filter((rows) => rows <= BOUNDS.prompt.length).length;
    expect(ones).toBeGreaterThan(0);
    expect(steps.length).toBeLessThanOrEqual(2 * ones + 1);
    expect(steps.length).toBeLessThan(tokens.length);
  });

  it('end where the draft goes on behind an end', async () => {
    const ended: AnswerBounds = { ...BOUNDS, endIds: [] };
    const { tokens } = await heardWith([]);
    const { answer, run } = decoder();
    await takeDraft(answer, tokens, { ...ended, endIds: [tokens[2]!] }, run);
    expect(answer).toMatchObject({ tokens: tokens.slice(0, tokens.indexOf(tokens[2]!) + 1), isDone: true });
    const { answer: short, run: runShort } = decoder();
    await takeDraft(short, tokens, { ...BOUNDS, most: 5 }, runShort);
    expect(short).toMatchObject({ tokens: tokens.slice(0, 5), isDone: true });
  });

  it('stop when they are told to', async () => {
    const { answer, run } = decoder();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(takeDraft(answer, [1, 2], { ...BOUNDS, signal }, run)).rejects.toThrow('enough');
  });
});
