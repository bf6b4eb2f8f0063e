/**
 * A session of a model that hears and speaks by itself. Its state follows the items of the session: where they are what it has read and
 * said, an answer goes on from there; where some were put in, taken out, or cut, or the settings changed, they are read anew.
 */
import { joinSamples } from '../../../audio/audio-stream.ts';
import { SILERO_RATE } from '../../../audio/silero-frames.ts';
import { InputError } from '../../../tensor/errors.ts';
import type { TalkConversation, TalkModel } from '../talk-model.ts';
import type { TalkEvent } from '../talk-flow.ts';
import type { TalkOutput } from '../talk.ts';
import type { TalkBefore, TalkTurn } from '../talk-turns.ts';
import type { AnsweringSession, AnswerPiece, AnswerRequest, ItemRecord } from './answerer.ts';
import { sinceLastAnswer } from './running-answer.ts';
import type { AnswerSettings } from './talker.ts';

/** What a conversation of the model begins with. */
const FIXED = ['system', 'temperature', 'topK', 'seed'] as const;
type FixedSettings = Pick<AnswerSettings, (typeof FIXED)[number]>;

interface Opened {
  readonly talk: TalkConversation;
  readonly settings: FixedSettings;
  /** Items that it has read and said, in order; none where they are not what the session has any more. An id may be given anew. */
  items: readonly ItemRecord[] | undefined;
}

export function modelSession(model: TalkModel): AnsweringSession {
  let opened: Opened | undefined;
  /** Of each answer, as far as it was made or heard: its text alone would not say how it was spoken. */
  const said = new WeakMap<ItemRecord, readonly TalkEvent[]>();
  const openFor = (items: readonly ItemRecord[], settings: FixedSettings): Opened => {
    const before = items.slice(0, items.length - sinceLastAnswer(items).length);
    if (opened?.items !== undefined && isSame(opened.items, before) && FIXED.every((name) => settings[name] === opened!.settings[name]))
      return opened;
    opened?.talk.close();
    // Where the next cannot be opened, none is.
    opened = undefined;
    opened = { talk: openTalk(model, settings, turnsOf(before, said)), settings, items: before };
    return opened;
  };
  return {
    async *answer({ items, settings, record, isApart, signal }) {
      const turn = turnOf(sinceLastAnswer(items));
      if (isApart) {
        const before = items.slice(0, items.length - sinceLastAnswer(items).length);
        const talk = openTalk(model, settings, turnsOf(before, said));
        try {
          yield* piecesOf(talk, turn, { settings, signal });
        } finally {
          said.set(record, talk.said);
          talk.close();
        }
        return;
      }
      const now = openFor(items, settings);
      // What fails midway leaves a state that nobody knows.
      now.items = undefined;
      const { said: lastSaid } = now.talk;
      try {
        yield* piecesOf(now.talk, turn, { settings, signal });
        now.items = [...items, record];
      } finally {
        // A turn that the model did not take leaves what it said last.
        const isTaken = now.talk.said !== lastSaid;
        said.set(record, isTaken ? now.talk.said : []);
        if (signal.aborted && isTaken) now.items = [...items, record];
      }
    },
    keepHeard(item, samples) {
      const isLast = opened?.items?.at(-1) === item;
      const kept = model.cutToHeard(said.get(item) ?? [], samples);
      said.set(item, kept.said);
      if (isLast) opened!.talk.keepHeard(samples);
      else if (opened?.items?.includes(item) === true) opened.items = undefined;
      return kept.text;
    },
    close: () => opened?.talk.close(),
  };
}

function isSame(a: readonly ItemRecord[], b: readonly ItemRecord[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

async function* piecesOf(
  talk: TalkConversation, turn: TalkTurn, { settings, signal }: Pick<AnswerRequest, 'settings' | 'signal'>,
): AsyncGenerator<AnswerPiece> {
  let samples = 0;
  let textEnd = 0;
  for await (const piece of talk.say(turn, { maxTokens: settings.maxTokens, signal })) {
    if (piece.kind === 'text') {
      textEnd += piece.text.length;
      yield piece;
    } else if (piece.kind === 'samples') {
      samples += piece.samples.length;
      yield { kind: 'audio', samples: piece.samples, marks: [{ samples, textEnd }] };
    } else yield endOf(piece);
  }
}

function openTalk(
  model: TalkModel, { system, temperature, topK, seed }: FixedSettings, before: readonly TalkBefore[],
): TalkConversation {
  const isSampled = temperature !== undefined || topK !== undefined;
  return model.open({ system, seed, before, text: isSampled ? { temperature: temperature ?? 1, topK: topK ?? 0 } : undefined });
}

function endOf({ reason, usage }: Extract<TalkOutput, { kind: 'end' }>): AnswerPiece {
  const { inputTokens, keptTokens, textTokens, heardTokens } = usage;
  return { kind: 'end', reason, usage: { inputTokens: keptTokens + inputTokens, cachedTokens: keptTokens, textTokens, heardTokens } };
}

/** What was said before, as the model is told of it: what somebody said in several items is one turn. */
function turnsOf(items: readonly ItemRecord[], said: WeakMap<ItemRecord, readonly TalkEvent[]>): TalkBefore[] {
  const before: TalkBefore[] = [];
  let own: ItemRecord[] = [];
  for (const item of items) {
    if (item.role !== 'assistant') {
      own.push(item);
      continue;
    }
    if (own.length > 0) before.push({ role: 'user', turn: turnOf(own) });
    own = [];
    const events = said.get(item);
    before.push(events === undefined ? { role: 'assistant', text: item.text } : { role: 'assistant', said: events });
  }
  return before;
}

/** @throws InputError where nothing was said */
function turnOf(items: readonly ItemRecord[]): TalkTurn {
  const texts = items.map(({ text }) => text).filter((text) => text !== '');
  const parts = items.flatMap(({ sound }) => sound);
  if (texts.length === 0 && parts.every(({ samples }) => samples.length === 0))
    throw new InputError('There is nothing to answer: nothing was said since the last answer.');
  return {
    ...(texts.length > 0 && { text: texts.join('\n') }),
    ...(parts.length > 0 && { sound: soundOf(parts) }),
  };
}

/** What was made of the only part as it came; several are heard as one sound. */
function soundOf(parts: ItemRecord['sound']): NonNullable<TalkTurn['sound']> {
  const only = parts.length === 1 ? parts[0]!.heard : undefined;
  return only ?? { samples: joinSamples(parts.map(({ samples }) => samples)), sampleRate: SILERO_RATE };
}
