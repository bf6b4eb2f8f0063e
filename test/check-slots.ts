/**
 * What every executor must do with slots and windows: the same as the reference in any cut of the rows, and exactly what a cold run does.
 */
import { expect } from 'vitest';
import { createModelFromParts } from '../src/engine/model.ts';
import type { Model } from '../src/engine/api.ts';
import { decoderSteps } from '../src/graph/decoder-steps.ts';
import type { Executor, Program, SlotPlace } from '../src/graph/executor.ts';
import { createReferenceExecutor } from '../src/reference/reference-executor.ts';
import { fakeTextSide } from './fake-model.ts';
import { expectClose } from './relative-error.ts';
import { sharing } from './sharing.ts';
import { slotDecoder, slotRequest } from './slot-model.ts';
import { ensureAllPages, inEveryGroup } from './state-places.ts';

const PAGES = [3, 1, 6, 0, 5, 2, 4, 7];
const idOf = (position: number, seed: number) => (position * 37 + seed * 11 + 5) % 250;

function stepOf(span: readonly [start: number, end: number], slots: SlotPlace, seed = 0) {
  const [start, end] = span;
  const tokens = Array.from({ length: end - start }, (_, i) => idOf(start + i, seed));
  return { tokens, start, pages: inEveryGroup(PAGES.map((page) => page + 8 * seed)), slots, outputs: tokens.map((_, i) => i) };
}

interface Both {
  readonly wanted: Program;
  readonly found: Program;
  readonly tolerance: number;
}

async function compare({ wanted, found, tolerance }: Both, sequences: readonly ReturnType<typeof stepOf>[]): Promise<void> {
  const results = [await decoderSteps(wanted).run({ sequences }), await decoderSteps(found).run({ sequences })] as const;
  expectClose('logits', { wanted: results[0].logits, found: results[1].logits }, tolerance);
}

/**
 * Chunks of every size, two sequences at a time, a row that writes where it reads, copies, and going back; the programs are disposed of.
 */
export async function checkSlots(executor: Executor, tolerance: number): Promise<void> {
  const [wanted, found] = await Promise.all([createReferenceExecutor().load(slotRequest()), executor.load(slotRequest())]);
  const both = { wanted, found, tolerance };
  try {
    for (const program of [wanted, found]) {
      ensureAllPages(program, 16);
      program.ensureSlots(3);
    }
    await compare(both, [stepOf([0, 1], { read: 0, write: 1 })]);
    await compare(both, [stepOf([1, 3], { read: 1, write: 2 })]);
    // More slots keep what the present ones hold.
    for (const program of [wanted, found]) program.ensureSlots(9);
    await compare(both, [stepOf([3, 20], { read: 2, write: 1 })]);
    await compare(both, [stepOf([20, 21], { read: 1, write: 1 })]);
    await compare(both, [stepOf([21, 22], { read: 1, write: 3 }), stepOf([0, 5], { read: 0, write: 4 }, 1)]);
    await compare(both, [stepOf([22, 23], { read: 3, write: 3 }), stepOf([5, 6], { read: 4, write: 5 }, 1)]);
    await goBack(both);
    await keepAndBring(both);
    await refusals(found);
  } finally {
    await Promise.all([wanted.dispose(), found.dispose()]);
  }
}

/** From version 3, of 23 tokens: 8 steps one by one; then the first 3 of them again as rows are the same. */
async function goBack({ found, tolerance }: Both): Promise<void> {
  const steps = decoderSteps(found);
  const ahead: Float32Array[] = [];
  for (let i = 0; i < 8; i++) {
    const { logits } = await steps.run({ sequences: [stepOf([23 + i, 24 + i], { read: i === 0 ? 3 : 6, write: 6 })] });
    ahead.push(logits.slice());
  }
  const replayed = await steps.run({ sequences: [stepOf([23, 26], { read: 3, write: 7 })] });
  const width = ahead[0]!.length;
  for (let i = 0; i < 3; i++)
    expectClose(`row ${i} again`, { wanted: ahead[i]!, found: replayed.logits.slice(i * width, (i + 1) * width) }, tolerance);
  const next = await steps.run({ sequences: [stepOf([26, 27], { read: 7, write: 7 })] });
  expectClose('the row after them', { wanted: ahead[3]!, found: next.logits }, tolerance);
}

/** A slot's snapshot goes on as it does. */
async function keepAndBring({ found }: Both): Promise<void> {
  const snapshot = await found.snapshotSlot(3);
  const first = (await decoderSteps(found).run({ sequences: [stepOf([23, 25], { read: 3, write: 1 })] })).logits.slice();
  found.restoreSlot(2, snapshot);
  expect(await found.snapshotSlot(2)).toEqual(snapshot);
  const again = await decoderSteps(found).run({ sequences: [stepOf([23, 25], { read: 2, write: 1 })] });
  expect(again.logits).toEqual(first);
  expect(() => found.restoreSlot(2, snapshot.slice(4))).toThrow(/restoreSlot: expected \d+ bytes, found \d+/);
}

async function refusals(program: Program): Promise<void> {
  for (const [slots, rows] of [
    [{ read: 1, write: 1 }, 2],
    [{ read: 1, write: 0 }, 1],
    [{ read: 99, write: 1 }, 1],
    [{ read: -1, write: 2 }, 1],
  ] as const) {
    await expect(decoderSteps(program).run({ sequences: [stepOf([0, rows], slots)] })).rejects.toThrow(
      'need a slot to read and another to write',
    );
  }
  const without = { ...stepOf([0, 1], { read: 0, write: 1 }), slots: undefined };
  await expect(decoderSteps(program).run({ sequences: [without] })).rejects.toThrow('need a slot to read and another to write');
}

/** Tokens of an answer, and the text of a conversation after some. */
const GREEDY = { temperature: 0 } as const;

async function loadSlotModel(executor: Executor, endIds: readonly number[] = []): Promise<Model> {
  const text = { ...fakeTextSide(), endIds: new Set(endIds), samplingDefaults: {} };
  return createModelFromParts({ name: 'slots', sizeBytes: 0, decoder: slotDecoder(), text }, { executor });
}

const PROMPT = Array.from({ length: 90 }, (_, i) => idOf(i, 2));

async function tokensOf(model: Model, ids: readonly number[], maxTokens: number): Promise<readonly number[]> {
  const tokens: number[] = [];
  for await (const piece of model.generate({ ids, maxTokens, ignoreEos: true, ...GREEDY })) tokens.push(...piece.tokens);
  return tokens;
}

/**
 * The engine over slots and windows: a conversation that was stopped by a text, cancelled at ten points, ended inside a submit of many
 * steps, and prefilled in chunks, goes on as one that another model reads anew.
 */
export async function checkSlotEngine(executor: Executor): Promise<void> {
  const programs: Program[] = [];
  /** Kernels are compiled once for all models of a program, which are there one after another. */
  const once = (): Executor => {
    let program: Program | undefined;
    const load: Executor['load'] = async (request) => {
      if (program === undefined) programs.push((program = await executor.load(request)));
      return sharing(program, executor).load(request);
    };
    return { ...executor, load };
  };
  const [cold, warm] = [await loadSlotModel(once()), once()];
  try {
    await checkAnswer(cold);
    await checkConversations(warm, cold);
    await checkEndTokens(warm, cold);
  } finally {
    await cold.dispose();
    await Promise.all(programs.map((program) => program.dispose()));
  }
}

/** Chunked prefill and sampling ahead give what one pass over everything gives. */
async function checkAnswer(cold: Model): Promise<void> {
  const answer = await tokensOf(cold, PROMPT, 40);
  const logits = await cold.forward([...PROMPT, ...answer].slice(0, -1), { positions: answer.map((_, i) => PROMPT.length - 1 + i) });
  const width = logits.length / answer.length;
  const best = answer.map((_, i) => {
    const row = logits.subarray(i * width, (i + 1) * width);
    return row.reduce((most, value, id) => (value > row[most]! ? id : most), 0);
  });
  expect(answer).toEqual(best);
}

/** What the chat says next must be what a cold model says to the same history. */
async function checkConversations(executor: Executor, cold: Model): Promise<void> {
  const model = await loadSlotModel(executor);
  try {
    const chat = model.createChat({ system: 'longer than the window of 16' });
    const goOn = async (message: string) => {
      const messages = [...chat.history, { role: 'user', content: message }];
      const said: number[] = [];
      for await (const piece of chat.send(message, { maxTokens: 9, ...GREEDY })) said.push(...piece.tokens);
      const anew: number[] = [];
      for await (const piece of cold.generate({ messages, maxTokens: 9, ...GREEDY })) anew.push(...piece.tokens);
      expect(said).toEqual(anew);
    };
    await goOn('first');
    const text = (await collect(chat.send('second', { maxTokens: 30, ...GREEDY }))).text;
    await goOn('third');
    for (const stop of [text.slice(4, 7), text.slice(11, 12), text.slice(-2)].filter((part) => part !== '')) {
      await collect(chat.send('second', { maxTokens: 30, stop: [stop], ...GREEDY }));
      await goOn(`after ${stop}`);
      chat.reset();
    }
    for (let point = 0; point < 10; point++) {
      await cancelAfter(chat.send('some question', { maxTokens: 40, ...GREEDY }), point * 3);
      await goOn(`after ${point}`);
      if (point % 2 === 1) chat.reset();
    }
  } finally {
    await model.dispose();
  }
}

async function collect(pieces: AsyncIterable<{ readonly text: string }>): Promise<{ readonly text: string }> {
  let text = '';
  for await (const piece of pieces) text += piece.text;
  return { text };
}

async function cancelAfter(pieces: AsyncIterable<{ readonly tokens: readonly number[] }>, tokens: number): Promise<void> {
  let seen = 0;
  for await (const piece of pieces) {
    seen += piece.tokens.length;
    if (seen > tokens) return;
  }
}

/** An end token in the middle of what the device sampled ahead: the next turn goes on from before it. */
async function checkEndTokens(executor: Executor, cold: Model): Promise<void> {
  const answer = await tokensOf(cold, PROMPT, 30);
  for (const at of [3, 10, 25]) {
    const end = answer[at] as number;
    const model = await loadSlotModel(executor, [end]);
    try {
      const chat = model.createChat();
      await collect(chat.send('say something', { maxTokens: 60, ...GREEDY }));
      const messages = [...chat.history, { role: 'user', content: 'more' }];
      const said: number[] = [];
      for await (const piece of chat.send('more', { maxTokens: 12, ...GREEDY, ignoreEos: true })) said.push(...piece.tokens);
      const anew: number[] = [];
      for await (const piece of cold.generate({ messages, maxTokens: 12, ...GREEDY, ignoreEos: true })) anew.push(...piece.tokens);
      expect(said).toEqual(anew);
    } finally {
      await model.dispose();
    }
  }
}
