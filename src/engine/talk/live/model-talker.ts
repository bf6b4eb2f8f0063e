/** A model that hears and speaks by itself (LFM2.5-Audio) as a talker. */
import { joinSamples } from '../../../audio/audio-stream.ts';
import { SILERO_RATE } from '../../../audio/silero-frames.ts';
import { InputError } from '../../../tensor/errors.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import type { TalkConversation, TalkModel } from '../talk-model.ts';
import type { TalkOutput } from '../talk.ts';
import type { TalkTurn } from '../talk-turns.ts';
import type { Answerer, AnsweringSession, AnswerPiece, ItemRecord } from './answerer.ts';
import { createTalker } from './create-talker.ts';
import { sinceLastAnswer } from './running-answer.ts';
import { checkSessionSettings } from './session-settings.ts';
import type { AnswerSettings, Talker, TalkerInfo } from './talker.ts';

/** What a conversation begins with, and keeps. */
const FIXED = ['system', 'temperature', 'topK', 'seed'] as const;
type FixedSettings = Pick<AnswerSettings, (typeof FIXED)[number]>;

/**
 * A talker of one model, which stays its owner's. Turns go to it as sound: it tells no text of what it heard.
 * @param detector tells when somebody speaks
 */
export function createModelTalker(model: TalkModel, detector: VoiceDetector): Talker {
  const info: TalkerInfo = {
    name: model.info.architecture,
    kind: 'model',
    sampleRate: model.info.sampleRate,
    abilities: {
      hears: true, speaks: true, tools: false, transcripts: false, edits: false, textAlone: false, voices: [], voice: false,
      priority: false, sampling: ['temperature', 'topK'],
    },
    warnings: model.info.warnings,
  };
  const { mostSeconds } = model.info;
  const answerer: Answerer = {
    info,
    mostTurnSeconds: mostSeconds,
    check: (settings) => checkSessionSettings(settings, { info, mostTurnSeconds: mostSeconds }),
    open: () => modelSession(model),
    // The model is its owner's.
    dispose: async () => {},
  };
  return createTalker(answerer, detector);
}

function modelSession(model: TalkModel): AnsweringSession {
  let opened: { readonly talk: TalkConversation; readonly settings: FixedSettings } | undefined;
  const check = (settings: AnswerSettings): void => {
    if (opened === undefined) return;
    const changed = FIXED.find((name) => settings[name] !== opened!.settings[name]);
    if (changed === undefined) return;
    throw new InputError(`${model.info.architecture} keeps the ${changed} that a conversation began with: begin another.`);
  };
  return {
    check,
    async *answer({ items, settings, signal }) {
      check(settings);
      const turn = turnOf(sinceLastAnswer(items));
      opened ??= { talk: openTalk(model, settings), settings };
      let samples = 0;
      let textEnd = 0;
      for await (const piece of opened.talk.say(turn, { maxTokens: settings.maxTokens, signal })) {
        if (piece.kind === 'text') {
          textEnd += piece.text.length;
          yield piece;
        } else if (piece.kind === 'samples') {
          samples += piece.samples.length;
          yield { kind: 'audio', samples: piece.samples, marks: [{ samples, textEnd }] };
        } else yield endOf(piece);
      }
    },
    keepHeard: (_item, samples) => opened?.talk.keepHeard(samples) ?? '',
    close: () => opened?.talk.close(),
  };
}

function openTalk(model: TalkModel, { system, temperature, topK, seed }: FixedSettings): TalkConversation {
  const isSampled = temperature !== undefined || topK !== undefined;
  return model.open({ system, seed, text: isSampled ? { temperature: temperature ?? 1, topK: topK ?? 0 } : undefined });
}

function endOf({ reason, usage: { inputTokens, keptTokens, textTokens } }: Extract<TalkOutput, { kind: 'end' }>): AnswerPiece {
  return { kind: 'end', reason, usage: { inputTokens: keptTokens + inputTokens, cachedTokens: keptTokens, textTokens } };
}

/** @throws InputError where nothing was said */
function turnOf(items: readonly ItemRecord[]): TalkTurn {
  const texts = items.map(({ text }) => text).filter((text) => text !== '');
  const samples = joinSamples(items.flatMap(({ sound }) => sound.map((part) => part.samples)));
  if (texts.length === 0 && samples.length === 0)
    throw new InputError('There is nothing to answer: nothing was said since the last answer.');
  return {
    ...(texts.length > 0 && { text: texts.join('\n') }),
    ...(samples.length > 0 && { sound: { samples, sampleRate: SILERO_RATE } }),
  };
}
