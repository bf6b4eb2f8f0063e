/** What every executor must do with conversations of hybrids: prefill only what is new, and go on exactly as a cold run. */
import { expect } from 'vitest';
import { collect } from '../src/engine/collect.ts';
import { createModelFromParts } from '../src/engine/model.ts';
import type { ModelOptions } from '../src/engine/model.ts';
import type { Chat, ChatMessage, Model } from '../src/engine/api.ts';
import type { Executor, Program } from '../src/graph/executor.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import type { TextSide } from '../src/engine/prompt.ts';
import type { DecoderModel } from '../src/models/open-decoder.ts';
import { locate } from '../src/node/open-path.ts';
import { goldenPath } from './goldens.ts';
import type { GoldenName } from './goldens.ts';
import { letterTextSide } from './letter-text.ts';
import type { LetterTextOptions } from './letter-text.ts';
import { recording } from './recording.ts';
import type { Record } from './recording.ts';
import { refusingSlots } from './refusing-slots.ts';
import { relativeError } from './relative-error.ts';
import { sharing } from './sharing.ts';
import { slotDecoder } from './slot-model.ts';

/** Rows of a step: more than any prompt here has. */
const WHOLE_PROMPT = 512;
/** Logits of a warm run against a cold one's, over their range. */
const TOLERANCE = 1e-3;
const GREEDY = { temperature: 0, ignoreEos: true } as const;
/** Log probabilities need logits on the host: no executor samples such a turn by itself. */
const ONE_BY_HOST = { maxTokens: 1, logprobs: true, ...GREEDY } as const;

/** A decoder whose files are open until {@link Hybrid.close}. */
export interface Hybrid {
  readonly decoder: DecoderModel;
  close(): Promise<void>;
}

/** The golden of that name, or the model with all kinds of state. */
export async function openHybrid(name: GoldenName | 'slots'): Promise<Hybrid> {
  if (name === 'slots') return { decoder: slotDecoder({ window: null }), close: async () => {} };
  const checkpoint = await openCheckpoint(await locate(goldenPath(name)));
  return { decoder: await openDecoder(checkpoint), close: () => checkpoint.close() };
}

interface Loaded extends Pick<LetterTextOptions, 'endIds' | 'thinks'>, Pick<ModelOptions, 'snapshotBytes'> {}

export interface Warm {
  readonly model: Model;
  readonly record: Record;
  readonly text: TextSide;
}

/**
 * Two programs: one for conversations, whose prefill comes in the executor's chunks, one for cold runs, whose whole prompt is one step.
 * Models on them come one after another, so that kernels are compiled once.
 */
export interface Pair {
  warm(options?: Loaded): Promise<Warm>;
  /** Logits [vocab] after `ids`, of a model that has seen nothing else. */
  coldLogits(ids: readonly number[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

export async function openPair(executor: Executor, { decoder, close }: Hybrid): Promise<Pair> {
  const vocab = decoder.config.vocabSize;
  const programs: Program[] = [];
  const keeping: Executor = {
    ...executor,
    async load(request) {
      const program = await executor.load(request);
      programs.push(program);
      return (await sharing(program, executor).load(request)) as Program;
    },
  };
  const partsOf = (options: Loaded = {}) => ({ name: 'hybrid', sizeBytes: 0, decoder, text: letterTextSide({ vocab, ...options }) });
  const cold = await createModelFromParts(partsOf(), { executor: { ...keeping, prefillRows: WHOLE_PROMPT } });
  // A model with all the slots that any of the conversations' models may ask for.
  await (await createModelFromParts(partsOf(), { executor: keeping })).dispose();
  await close();
  const warmProgram = programs[1] as Program;
  return {
    async warm(options = {}) {
      const { executor: recorded, record } = recording(warmProgram, executor);
      const parts = partsOf(options);
      const { snapshotBytes } = options;
      return { model: await createModelFromParts(parts, { executor: recorded, snapshotBytes }), record, text: parts.text };
    },
    coldLogits: (ids) => cold.forward(ids, { positions: [ids.length - 1] }),
    async dispose() {
      await cold.dispose();
      await Promise.all(programs.map((program) => program.dispose()));
    },
  };
}

function idsOf({ text }: Warm, messages: readonly ChatMessage[]): readonly number[] {
  return text.encodeMessages!(messages, { tools: undefined, variables: {} });
}

/** Sends a message, takes one token and compares the logits that it was chosen by with a cold run's; returns how many were cached. */
async function expectCold(pair: Pair, warm: Warm, chat: Chat, message: string): Promise<number> {
  const ids = idsOf(warm, [...chat.history, { role: 'user', content: message }]);
  const { usage } = await collect(chat.send(message, ONE_BY_HOST));
  expect(usage.promptTokens).toBe(ids.length);
  expect(relativeError(warm.record.logits, await pair.coldLogits(ids))).toBeLessThan(TOLERANCE);
  return usage.cachedTokens;
}

/** The longest prefix of the tokens before that has a version: all of what ran, or where the submit began in which the answer ended. */
function lastVersion({ ends }: Record, committed: number): number {
  return Math.max(...ends.filter((end) => end <= committed));
}

/**
 * Fifteen turns: each prefills what its prompt has more than prompt and answer before it, and no more than the submit that it ended in is
 * run again; the logits of the fifteenth are a cold run's.
 * @returns tokens prefilled, by turn
 */
export async function checkFifteenTurns(pair: Pair, { questionTokens = 8, answerTokens = 9 } = {}): Promise<readonly number[]> {
  const warm = await pair.warm();
  const { model, record } = warm;
  const prefilled: number[] = [];
  try {
    const chat = model.createChat({ system: 'sys' });
    let before: { readonly prompt: number; readonly committed: number } | undefined;
    for (let turn = 1; turn < 15; turn++) {
      const message = `${turn}${'qwertyuiopasdfghjkl'.repeat(9)}`.slice(0, questionTokens);
      const ids = idsOf(warm, [...chat.history, { role: 'user', content: message }]);
      const expected = before === undefined ? 0 : lastVersion(record, before.committed);
      Object.assign(record, { rows: 0, ends: [] });
      const { usage } = await collect(chat.send(message, { maxTokens: answerTokens, ...GREEDY }));
      // The token sampled last never ran.
      expect(usage).toEqual({ promptTokens: ids.length, cachedTokens: expected, completionTokens: answerTokens });
      if (before !== undefined) expect(usage.cachedTokens).toBeGreaterThanOrEqual(before.prompt);
      // Without the rows of single tokens, where the host samples.
      const sampled = model.info.device === 'reference' || model.info.device === 'cpu' ? answerTokens - 1 : 0;
      expect(record.rows - sampled).toBe(ids.length - expected);
      prefilled.push(ids.length - expected);
      before = { prompt: ids.length, committed: ids.length + answerTokens - 1 };
    }
    const cached = await expectCold(pair, warm, chat, 'last');
    expect(cached).toBe(lastVersion(record, before!.committed));
    return prefilled;
  } finally {
    await model.dispose();
  }
}

/**
 * A template that opens a thinking block and drops it from the history: each turn goes on from the end of the question before it, and
 * prefills the rest of its own. `needsSnapshots`: without them it begins anew.
 */
export async function checkDroppedThinking(pair: Pair, { answerTokens = 7, needsSnapshots = true } = {}): Promise<void> {
  const warm = await pair.warm({ thinks: true });
  try {
    const chat = warm.model.createChat({ system: 'sys' });
    let lasting = 0;
    for (let turn = 1; turn <= 6; turn++) {
      const messages = [...chat.history, { role: 'user', content: `question${turn}` }];
      const { usage } = await collect(chat.send(`question${turn}`, { maxTokens: answerTokens, ...GREEDY }));
      expect(chat.history.at(-1)).toMatchObject({ role: 'assistant', content: '' });
      expect(usage.cachedTokens).toBe(lasting);
      lasting = idsOf(warm, messages).length - '<think>'.length;
    }
    expect(await expectCold(pair, warm, chat, 'last')).toBe(lasting);
  } finally {
    await warm.model.dispose();
  }
  if (!needsSnapshots) return;
  // Without snapshots there is nothing to go back to.
  const none = await pair.warm({ thinks: true, snapshotBytes: 0 });
  try {
    const chat = none.model.createChat({ system: 'sys' });
    await collect(chat.send('question', { maxTokens: 7, ...GREEDY }));
    expect(await expectCold(pair, none, chat, 'last')).toBe(0);
  } finally {
    await none.model.dispose();
  }
}

/** Two chats with the same system message: the second computes none of its whole pages again, and says what a cold run says. */
export async function checkSharedSystem(pair: Pair): Promise<void> {
  const warm = await pair.warm();
  const system = 'answer in a few words, say nothing that is not so, and never of foxes';
  try {
    const cached: number[] = [];
    for (const message of ['who?', 'and what else?']) {
      const chat = warm.model.createChat({ system });
      cached.push(await expectCold(pair, warm, chat, message));
      // Its next turn goes on from its own end.
      expect(await expectCold(pair, warm, chat, 'more')).toBeGreaterThan(system.length);
      chat.dispose();
    }
    // Two letters before the system message, and its end after it.
    const whole = Math.floor((system.length + 3) / 64) * 64;
    expect([whole, cached]).toEqual([64, [0, 64]]);
  } finally {
    await warm.model.dispose();
  }
}

/**
 * A device that turns out to have six slots, which is fewer than a conversation with four snapshots takes: the oldest go, and no turn hears
 * of it.
 */
export async function checkShortMemory(executor: Executor, hybrid: Hybrid): Promise<void> {
  const { executor: refusing, log } = refusingSlots(executor, 6);
  const pair = await openPair(refusing, hybrid);
  const warm = await pair.warm();
  try {
    const chat = warm.model.createChat({ system: 'sys' });
    for (let turn = 0; turn < 4; turn++) {
      const { usage } = await collect(chat.send(`question${turn}`, { maxTokens: 20, ...GREEDY }));
      expect(usage.completionTokens).toBe(20);
      if (turn > 0) expect(usage.cachedTokens).toBeGreaterThan(0);
    }
    await expectCold(pair, warm, chat, 'last');
    expect(log.refused).toBeGreaterThan(0);
  } finally {
    await warm.model.dispose();
    await pair.dispose();
  }
}

/** Numbers in [0, 1), the same each time: a linear congruential generator (Numerical Recipes). */
function chances(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

/** Cancelled at ten random points, some of them in the prefill, of some of which the history keeps the text. */
export async function checkCancelling(pair: Pair): Promise<void> {
  const warm = await pair.warm();
  const chance = chances(7);
  try {
    let chat = warm.model.createChat({ system: 'sys' });
    for (let point = 0; point < 10; point++) {
      const tokens = Math.floor(chance() * 30);
      const isInPrefill = point % 5 === 4;
      const controller = new AbortController();
      let seen = 0;
      const reading = async () => {
        const message = `some${'where'.repeat(isInPrefill ? 12 : 1)}`;
        const onProgress = () => void (isInPrefill && controller.abort(new Error('enough')));
        for await (const piece of chat.send(message, { maxTokens: 40, ...GREEDY, signal: controller.signal, onProgress })) {
          seen += piece.tokens.length;
          if (seen <= tokens) continue;
          if (point % 2 === 0) return;
          controller.abort(new Error('enough'));
        }
      };
      if (isInPrefill || point % 2 === 1) await expect(reading()).rejects.toThrow('enough');
      else await reading();
      await expectCold(pair, warm, chat, `after${point}`);
      if (point % 3 !== 2) continue;
      chat.dispose();
      chat = warm.model.createChat({ system: 'sys' });
    }
  } finally {
    await warm.model.dispose();
  }
}

/**
 * Answers that a text ends, and that a token ends, in the middle of what was sampled ahead.
 * @returns for each, how many of its tokens the next turn ran again
 */
export async function checkEnds(pair: Pair): Promise<readonly number[]> {
  const ask = 'say something';
  const again: number[] = [];
  const first = await pair.warm();
  const chat = first.model.createChat();
  const { text, tokens } = await collect(chat.send(ask, { maxTokens: 34, ...GREEDY }));
  for (const at of [2, 9, 18, 30]) {
    const stopped = first.model.createChat();
    const stop = [text.slice(at, at + 3)];
    const { stopText, finishReason, usage } = await collect(stopped.send(ask, { maxTokens: 60, stop, ...GREEDY }));
    expect([stopText, finishReason]).toEqual([stop[0], 'stop']);
    again.push(usage.promptTokens + usage.completionTokens - 1 - (await expectCold(pair, first, stopped, 'more')));
    stopped.dispose();
  }
  await first.model.dispose();
  for (const at of [2, 9, 18, 30]) {
    const end = tokens[at] as number;
    const warm = await pair.warm({ endIds: [end] });
    try {
      const ended = warm.model.createChat();
      const { usage, finishReason } = await collect(ended.send(ask, { maxTokens: 60, temperature: 0 }));
      expect([usage.completionTokens, finishReason]).toEqual([tokens.indexOf(end) + 1, 'stop']);
      again.push(usage.promptTokens + usage.completionTokens - 1 - (await expectCold(pair, warm, ended, 'more')));
    } finally {
      await warm.model.dispose();
    }
  }
  return again;
}
