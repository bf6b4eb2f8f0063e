/** A cascade: one model hears, another one answers in text, a third one speaks, all at a time. */
import { InputError } from '../../../tensor/errors.ts';
import { checkOptionNames } from '../../../tensor/option-names.ts';
import type { NamesOf } from '../../../tensor/option-names.ts';
import type { Chat, ChatMessage, ConversationOptions, Model } from '../../api.ts';
import type { SpeechModel } from '../../speech/speech-model.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import type { VoiceModel } from '../../speech/voice-model.ts';
import { parseVoice } from '../../speech/voice-pack.ts';
import { heardText } from '../live/answerer.ts';
import type { Answerer, AnsweringSession } from '../live/answerer.ts';
import { createTalker } from '../live/create-talker.ts';
import { checkSessionSettings } from '../live/session-settings.ts';
import type { AnswerSettings, Talker, TalkerInfo } from '../live/talker.ts';
import { messagesOf } from './cascade-messages.ts';
import { textOfPart, TURN_SECONDS } from './hear-part.ts';
import { spokenAnswer } from './spoken-answer.ts';

export interface CascadeParts {
  /** Hears; it need not listen. Without it what is said is text. */
  readonly ears?: SpeechModel | undefined;
  /** Answers: with a chat template. */
  readonly model: Model;
  /** Speaks. Without it answers are text alone. */
  readonly voice?: VoiceModel | undefined;
  /** Tells when somebody speaks. */
  readonly detector: VoiceDetector;
  /** Of chats with the model, as `createChat` takes them: a dialect, whether it reasons. */
  readonly chat?: Pick<ConversationOptions, 'reasoning' | 'dialect' | 'templateVariables'> | undefined;
}

const PART_NAMES: NamesOf<CascadeParts> = { ears: true, model: true, voice: true, detector: true, chat: true };

/** What a model is told that is heard and not read. */
const SYSTEM = 'You talk with somebody by voice. Answer as people speak, in short sentences, without lists, markup or emoji.';

/**
 * A talker of three models, which stay their owner's. Speaking begins with the first sentence, while the model writes on.
 * @throws InputError for a model without a chat template
 */
export function createCascade(parts: CascadeParts): Talker {
  checkOptionNames(parts, PART_NAMES, 'createCascade');
  return createTalker(cascadeAnswerer(parts), parts.detector);
}

function cascadeAnswerer(parts: CascadeParts): Answerer {
  const { ears, model, voice } = parts;
  // A model that cannot chat is told of before anybody speaks.
  model.createChat(chatOptions(parts)).dispose();
  const info: TalkerInfo = {
    name: [ears?.info.architecture, model.info.name, voice?.info.architecture].filter((name) => name !== undefined).join(' + '),
    kind: 'cascade',
    sampleRate: voice?.info.sampleRate ?? 24_000,
    abilities: {
      hears: ears !== undefined, speaks: voice !== undefined, voice: voice !== undefined, voices: voice?.info.voices ?? [],
      tools: true, transcripts: ears !== undefined, roles: ['user', 'assistant', 'system', 'tool'], textAlone: true, priority: true,
      sampling: ['temperature', 'topK', 'topP', 'minP'],
    },
    warnings: [...(ears?.info.warnings ?? []), ...(voice?.info.warnings ?? [])],
  };
  return {
    info,
    mostTurnSeconds: TURN_SECONDS,
    recognise: ears === undefined ? undefined : (part, signal) => textOfPart(ears, part, signal),
    check(settings) {
      checkSessionSettings(settings, { info, mostTurnSeconds: TURN_SECONDS });
      checkVoice(settings.voice, info.abilities.voices);
      model.createChat({ ...chatOptions(parts), ...textOptions(settings) }).dispose();
    },
    open: () => cascadeSession(parts),
    // The models are their owner's.
    dispose: async () => {},
  };
}

/** @throws InputError for a voice, or one of a blend, that is not there */
function checkVoice(voice: string | undefined, voices: readonly string[]): void {
  if (voice === undefined || voices.length === 0) return;
  const unknown = [...parseVoice(voice).keys()].find((name) => !voices.includes(name));
  if (unknown === undefined) return;
  throw new InputError(`there is no voice ${JSON.stringify(unknown)}: there are ${voices.slice(0, 60).join(', ')}.`);
}

function chatOptions({ chat }: CascadeParts) {
  return { contextPolicy: 'slide', ...chat } as const;
}

function cascadeSession(parts: CascadeParts): AnsweringSession {
  const { model, voice } = parts;
  const chat = model.createChat(chatOptions(parts));
  return {
    async *answer({ items, settings, isApart, signal }) {
      const own = isApart ? model.createChat(chatOptions(parts)) : chat;
      const { system = SYSTEM, speaks = true, voice: name, speed, seed } = settings;
      const messages = messagesOf(items, system);
      try {
        yield* spokenAnswer({
          write: (stop) => own.send(newMessages(own, messages), { ...textOptions(settings), signal: stop }),
          voice: speaks ? voice : undefined,
          speaking: { voice: name, speed, seed },
          signal,
        });
      } finally {
        if (isApart) own.dispose();
      }
    },
    keepHeard(item, samples) {
      const text = heardText(item, samples);
      item.marks = item.marks.filter((mark) => mark.samples <= samples);
      return text;
    },
    close: () => chat.dispose(),
  };
}

/** Puts the chat where the conversation is before its newest messages, and gives those. */
function newMessages(chat: Chat, messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const answered = messages.findLastIndex(({ role }) => role === 'assistant') + 1;
  // Nothing was said yet: the system's message is all there is to go by.
  const from = answered === messages.length ? 0 : answered;
  if (messages.length === 0 || (answered > 0 && from === 0))
    throw new InputError('There is nothing to answer: nothing was said since the last answer.');
  const before = messages.slice(0, from);
  // A history that is put in place is read anew as far as it differs; one that is the same keeps what the context dropped of it.
  if (JSON.stringify(chat.history) !== JSON.stringify(before)) chat.history = before;
  return messages.slice(from);
}

function textOptions({ temperature, topK, topP, minP, seed, maxTokens, tools, toolChoice, priority }: AnswerSettings) {
  return { temperature, topK, topP, minP, seed, maxTokens, tools, toolChoice, priority };
}
