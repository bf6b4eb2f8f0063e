/** Answers of a model that sees, through the engine: what streams, chats and cancelled calls get. */
import { expect, vi } from 'vitest';
import type { Model } from '../src/engine/api.ts';
import { READER_PATIENCE_MS } from '../src/engine/members.ts';
import type { Picture } from '../src/models/vision.ts';
import type { VisionGolden } from './vision-golden.ts';

type Segments = readonly (readonly number[] | Picture)[];

interface Answer {
  readonly tokens: number[];
  readonly cachedTokens: number;
  readonly promptTokens: number;
}

export interface AskOptions {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly repetitionPenalty?: number;
  readonly cachePrompt?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: { readonly loaded: number }) => void;
}

export async function answerTo(model: Model, segments: Segments, options: AskOptions = {}): Promise<Answer> {
  const tokens: number[] = [];
  let usage = { cachedTokens: -1, promptTokens: -1 };
  for await (const piece of model.generate({ segments, temperature: 0, maxTokens: 16, ignoreEos: true, ...options })) {
    tokens.push(...piece.tokens);
    if (piece.finishReason) usage = piece.usage;
  }
  return { tokens, cachedTokens: usage.cachedTokens, promptTokens: usage.promptTokens };
}

/** The golden's prompt. */
export function segmentsOf({ promptIds, picture, first, tokens }: VisionGolden, before: readonly number[] = []): Segments {
  return [[...before, ...promptIds.slice(0, first)], picture, promptIds.slice(first + tokens)];
}

/** Another picture of the same size. */
function changed(picture: Picture): Picture {
  return { ...picture, patches: picture.patches.map((value, i) => (i % 3 === 0 ? -value : value)), key: `${picture.key} changed` };
}

export async function checkAnswers(model: Model, golden: VisionGolden): Promise<void> {
  const segments = segmentsOf(golden);
  const first = await answerTo(model, segments);
  expect(first).toMatchObject({ tokens: golden.greedy, promptTokens: golden.promptIds.length });
  // Penalties know tokens alone, and random numbers an answer's own.
  const drawn = { temperature: 1, seed: 5 };
  expect((await answerTo(model, segments, drawn)).tokens).toEqual((await answerTo(model, segments, drawn)).tokens);
  expect((await answerTo(model, segments, { repetitionPenalty: 1.3 })).tokens).toHaveLength(16);
  const other = await answerTo(model, segmentsOf({ ...golden, picture: changed(golden.picture) }));
  expect(other.tokens).not.toEqual(golden.greedy);
}

/** Prompts of more than a page, whose second turn reads the text behind the picture alone. */
export async function checkCache(model: Model, golden: VisionGolden): Promise<void> {
  const long = Array.from({ length: 150 }, (_, i) => 20 + (i % 90));
  const [before = [], picture, behind = []] = segmentsOf(golden, long) as readonly [number[], Picture, number[]];
  const shared = [before, picture, [...behind, ...long]] as const;
  const whole = before.length + golden.tokens + behind.length + long.length;
  const cold = await answerTo(model, [before, picture, [...behind, ...long, 31, 32]], { cachePrompt: false });
  await answerTo(model, shared);
  const next = await answerTo(model, [before, picture, [...behind, ...long, 31, 32]]);
  expect(next.tokens).toEqual(cold.tokens);
  expect(next.promptTokens).toBe(whole + 2);
  // Whole pages of 64, which a model with slots has left to others up to the end of an answer alone.
  expect(next.cachedTokens).toBe(model.info.architecture.startsWith('qwen3_vl') ? Math.floor(whole / 64) * 64 : 0);
  const other = await answerTo(model, [before, changed(picture), [...behind, ...long, 31, 32]]);
  expect(other.cachedTokens).toBeLessThanOrEqual(before.length);
}

/** A page that ends within a picture: what is left of its rows is made anew. */
export async function checkCutPicture(model: Model, golden: VisionGolden): Promise<void> {
  const padding = Array.from({ length: 64 - golden.first - 2 }, (_, i) => 20 + i);
  const segments = segmentsOf(golden, padding);
  const cold = await answerTo(model, segments, { cachePrompt: false });
  expect((await answerTo(model, segments)).tokens).toEqual(cold.tokens);
  expect((await answerTo(model, segments)).tokens).toEqual(cold.tokens);
}

/** Streams of text go on while others' pictures are read; each gives what it gives alone. */
export async function checkStreams(model: Model, golden: VisionGolden): Promise<void> {
  const plain: Segments = [golden.promptIds.slice(0, golden.first)];
  const two: Segments = [...segmentsOf(golden), changed(golden.picture), [31, 32]];
  const all = [plain, segmentsOf(golden), two, segmentsOf(golden, [40, 41]), plain];
  const alone: number[][] = [];
  for (const segments of all) alone.push((await answerTo(model, segments, { cachePrompt: false })).tokens);
  const together = await Promise.all(all.map((segments) => answerTo(model, segments, { cachePrompt: false })));
  expect(together.map(({ tokens }) => tokens)).toEqual(alone);
}

/** A call that is left while its picture is read, or just before or behind that, leaves no page behind. */
export async function checkCancelling(model: Model, golden: VisionGolden): Promise<void> {
  const before = model.info.load.pages.held;
  for (let turns = 1; turns < 8; turns++) {
    const abort = new AbortController();
    // The text before the picture was read: the picture is begun within the next turns of the event loop.
    const leave = (left: number): void => void (left === 0 ? abort.abort(new Error('left')) : setImmediate(leave, left - 1));
    const onProgress = ({ loaded }: { readonly loaded: number }): void => void (loaded > 0 && leave(turns));
    const options = { signal: abort.signal, cachePrompt: false, maxTokens: 100, temperature: 0, ignoreEos: true, onProgress };
    // One that was not seen yet.
    const picture = { ...golden.picture, key: `left after ${turns}` };
    const asked = (async () => {
      // Nor is it too late then: a turn may have many tokens.
      for await (const _ of model.generate({ segments: segmentsOf({ ...golden, picture }, [50, 51, 52]), ...options })) leave(0);
    })();
    await expect(asked).rejects.toThrow('left');
    expect(model.info.load.pages.held).toBe(before);
  }
  expect((await answerTo(model, segmentsOf(golden))).tokens).toEqual(golden.greedy);
}

/** Pictures behind one another wait for nobody: no call's memory is taken meanwhile from those that rest. */
export async function checkPicturesInARow(model: Model, golden: VisionGolden): Promise<void> {
  const { picture } = golden;
  const timers = vi.spyOn(globalThis, 'setTimeout');
  await answerTo(model, [[50, 51], picture, changed(picture), picture, [52]], { cachePrompt: false, maxTokens: 1 });
  const waits = timers.mock.calls.filter(([, ms]) => ms === READER_PATIENCE_MS);
  timers.mockRestore();
  expect(waits).toEqual([]);
}

/** What cannot be meant. */
export async function checkRefused(model: Model, golden: VisionGolden): Promise<void> {
  const refused = (segments: Segments) => expect(answerTo(model, segments)).rejects;
  const { picture } = golden;
  await refused([[1], picture]).toThrow('segments must end with token ids');
  await refused([[1], { ...picture, rows: 3 }, [2]]).toThrow('must be multiples of 2 above 0, found 3 x');
  await refused([[1], { ...picture, patches: picture.patches.subarray(1) }, [2]]).toThrow(/expected \d+ x \d+ patches of/);
  await refused([[1], { ...picture, rows: 2000, columns: 2000 }, [2]]).toThrow('the model was loaded for');
  await refused([[-1], picture, [2]]).toThrow('Token ids must be integers from 0');
}
