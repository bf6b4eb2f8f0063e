/** What every executor must do with answers that share its steps: each has the tokens it has alone, whoever comes and goes beside it. */
import { expect } from 'vitest';
import type { GenerateOptions, Model } from '../src/engine/api.ts';
import { collect } from '../src/engine/collect.ts';

/** Settings of the answers in turn: greedy, sampled, with penalties, and with nearly all that a sampler can do. */
const SETTINGS: readonly Partial<GenerateOptions>[] = [
  { temperature: 0 },
  { temperature: 0.9, seed: 3 },
  { temperature: 0, repetitionPenalty: 1.3, frequencyPenalty: 0.5 },
  { temperature: 1.2, topK: 20, topP: 0.9, minP: 0.02, presencePenalty: 0.4, seed: 2 ** 40 + 5 },
];

/** Answers of other lengths to prompts of other lengths, in no order. */
export function asksOf(prompts: readonly (readonly number[])[], count = 6): GenerateOptions[] {
  return Array.from({ length: count }, (_, i) => ({
    ids: prompts[i % prompts.length] as readonly number[], ignoreEos: true, cachePrompt: false, maxTokens: 6 + ((i * 7) % 11),
    ...SETTINGS[(i + Math.floor(i / prompts.length)) % SETTINGS.length],
  }));
}

/** How the calls come: all at once, in the other order, each when the one before has given two tokens, and three beside one that leaves. */
const ARRIVALS = ['at once', 'in the other order', 'one after another', 'beside one that leaves'] as const;

async function tokensOf(model: Model, ask: GenerateOptions, onTokens?: (count: number) => void): Promise<number[]> {
  const tokens: number[] = [];
  for await (const piece of model.generate(ask)) {
    tokens.push(...piece.tokens);
    onTokens?.(tokens.length);
  }
  return tokens;
}

/** Each call begins when the one before has given two tokens. */
async function oneAfterAnother(model: Model, [ask, ...rest]: readonly GenerateOptions[]): Promise<number[][]> {
  if (ask === undefined) return [];
  let others: Promise<number[][]> | undefined;
  const own = await tokensOf(model, ask, (count) => void (count >= 2 && (others ??= oneAfterAnother(model, rest))));
  return [own, ...(await (others ?? []))];
}

async function together(model: Model, asks: readonly GenerateOptions[], arrival: (typeof ARRIVALS)[number]): Promise<number[][]> {
  if (arrival === 'one after another') return oneAfterAnother(model, asks);
  if (arrival === 'in the other order') return (await together(model, asks.toReversed(), 'at once')).toReversed();
  const leaving = arrival === 'beside one that leaves' ? leaveSoon(model, asks[0] as GenerateOptions) : undefined;
  const found = await Promise.all(asks.map((ask) => tokensOf(model, ask)));
  await leaving;
  return found;
}

async function leaveSoon(model: Model, ask: GenerateOptions): Promise<void> {
  let count = 0;
  for await (const _ of model.generate({ ...ask, maxTokens: 40 })) if (++count === 3) return;
}

/** @returns tokens of each call alone */
export async function checkStreams(model: Model, asks: readonly GenerateOptions[]): Promise<number[][]> {
  const alone: number[][] = [];
  for (const ask of asks) alone.push((await collect(model.generate(ask))).tokens as number[]);
  // Something is there to be told apart.
  expect(new Set(alone.map((tokens) => tokens.join())).size).toBeGreaterThan(asks.length / 2);
  for (const arrival of ARRIVALS) expect(await together(model, asks, arrival), arrival).toEqual(alone);
  return alone;
}
