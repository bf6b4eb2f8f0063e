/** A conversation over one sequence: each turn renders the whole history and prefills what the state does not hold yet. */
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames, checkSwitch, describeValue } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { Chat, ChatMessage, ChatOptions, Generation, Piece, SendOptions } from './api.ts';
import { createPartCollector } from '../text/answers/collect-parts.ts';
import { assistantMessage } from './assistant-message.ts';
import { decodingHost, resolveDecoding } from './decoding-settings.ts';
import { answerRoom, lastingMessages } from './answer-room.ts';
import { decodeChat, encodeChat } from './chat-file.ts';
import type { ChatFiles, ChatModel, ChatRecord } from './chat-file.ts';
import { generatePieces } from './generate.ts';
import { lastingTokens, openingTokens } from './lasting-tokens.ts';
import { seeMessages } from './images/see-messages.ts';
import type { Seeing } from './images/see-messages.ts';
import type { ModelCore } from './model-core.ts';
import { CHAT_NAMES, SEND_NAMES } from './option-names.ts';
import { answerFormat, checkMessages, checkPolicy, encodeFitting } from './prompt.ts';
import type { TextSide } from './prompt.ts';
import { withAnswer } from './prefilled-answer.ts';
import { openSequence } from './open-sequence.ts';
import type { Sequence } from './sequence.ts';
import { checkTemplateOptions } from './template-options.ts';
import { obeyToolChoice } from './tool-choice.ts';
import { limitThought } from './thought-budget.ts';
import { createTurnOrder } from './turn-order.ts';
import type { TurnOrder } from './turn-order.ts';

export interface ChatHost {
  readonly core: ModelCore;
  readonly text: TextSide;
  /** Of a model that sees. */
  readonly seeing?: Seeing | undefined;
}

/** A host that can name its model and has files: what chats are saved with. */
export interface SavingHost extends ChatHost {
  readonly model: ChatModel;
  readonly files: ChatFiles | undefined;
}

interface ChatState {
  readonly host: SavingHost;
  readonly defaults: ChatOptions;
  /** Turns of this chat, one after another: each renders what the one before has left. */
  readonly turns: TurnOrder;
  readonly sequence: Sequence;
  messages: readonly ChatMessage[];
  /** What the model no longer sees of them, right after the system's messages at the beginning. */
  dropped: { readonly messages: number; readonly turns: number };
  /** Counts resets: a turn that began before one does not write to the history after it. */
  resets: number;
  isDisposed: boolean;
}

const NOTHING = { messages: 0, turns: 0 } as const;

function withDefaults(defaults: ChatOptions, options: SendOptions): SendOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const templateVariables = { ...defaults.templateVariables, ...options.templateVariables };
  return { ...defaults, ...given, templateVariables };
}

function newMessages(message: string | ChatMessage | readonly ChatMessage[]): readonly ChatMessage[] {
  const added =
    typeof message === 'string' ? [{ role: 'user', content: message }] : Array.isArray(message) ? message : [message as ChatMessage];
  checkMessages(added);
  if (typeof message === 'string' && message === '') throw new InputError('The message is empty: at least one character is needed.');
  return added;
}

async function* answer(
  state: ChatState,
  message: string | ChatMessage | readonly ChatMessage[],
  options: SendOptions,
): AsyncGenerator<Piece, void, undefined> {
  const { core, seeing } = state.host;
  const merged = obeyToolChoice(withDefaults(state.defaults, options), state.host.text);
  const settings = resolveDecoding(merged, decodingHost(core, state.host.text));
  const messages = [...state.messages, ...newMessages(message)];
  const lasting = lastingMessages(messages);
  const seen = [...messages.slice(0, lasting), ...messages.slice(lasting + state.dropped.messages)];
  const images = seeMessages(seeing, state.host.text, seen, options.signal);
  const text = images instanceof Promise ? await images : images;
  const { ids, pictures, ...more } = encodeFitting(seen, merged, text, core);
  const format = answerFormat(merged, text, messages);
  const { promptIds, thoughtTokens } = limitThought(ids, merged, format, text);
  const dropped = { messages: state.dropped.messages + more.droppedMessages, turns: state.dropped.turns + more.droppedTurns };
  answerRoom(promptIds.length, { ...settings, context: core, canSlide: true });
  const prompted = [...messages.slice(0, lasting), ...messages.slice(lasting + dropped.messages)];
  const { resets, sequence } = state;
  const { signal, onProgress } = options;
  const answered = createPartCollector();
  let written = '';
  let keeps = true;
  const commit = () => {
    if (!keeps || state.resets !== resets) return;
    keeps = false;
    state.dropped = dropped;
    state.messages = withAnswer(messages, assistantMessage(answered.content(), written));
  };
  try {
    for await (const piece of generatePieces(() => ({
      core,
      text,
      promptIds,
      pictures,
      lastingTokens: core.state.keepsSnapshots ? lastingTokens(promptIds, prompted, merged, text) : undefined,
      sharedLengths: core.state.sharesSnapshots && sequence.length === 0 ? [openingTokens(promptIds, prompted, merged, text)] : [],
      droppedTurns: dropped.turns,
      source: { messages: prompted, options: merged, dropped: { from: lasting, count: dropped.messages } },
      settings,
      answerFormat: format,
      thoughtTokens,
      sequence,
      signal,
      onProgress,
    }))) {
      answered.add(piece.parts);
      written += piece.text;
      if (piece.finishReason !== undefined) commit();
      yield piece;
    }
  } catch (error) {
    if (signal?.aborted !== true) keeps = false;
    throw error;
  } finally {
    if (written !== '') commit();
  }
}

async function* takeTurn(
  state: ChatState,
  message: string | ChatMessage | readonly ChatMessage[],
  options: SendOptions,
): AsyncGenerator<Piece, void, undefined> {
  checkOptionNames(options, SEND_NAMES, 'send');
  checkOperation(options);
  checkTemplateOptions(options, state.host.text);
  const endTurn = await state.turns.take(options.signal);
  try {
    state.host.core.checkOpen();
    for await (const piece of answer(state, message, options)) {
      if (piece.finishReason !== undefined) endTurn();
      yield piece;
    }
  } finally {
    endTurn();
    if (state.isDisposed) state.sequence.close();
  }
}

function systemMessages({ system }: ChatOptions): readonly ChatMessage[] {
  if (system === undefined || system === '') return [];
  if (typeof system !== 'string') throw new InputError(`system must be a string, found ${describeValue(system)}.`);
  return [{ role: 'system', content: system }];
}

function checkDefaults(host: ChatHost, defaults: ChatOptions): void {
  host.core.checkOpen();
  checkOptionNames(defaults, CHAT_NAMES, 'createChat');
  checkPolicy(defaults.contextPolicy);
  checkSwitch('cachePrompt', defaults.cachePrompt);
  checkTemplateOptions(defaults, host.text);
  if (host.text.encodeMessages === undefined)
    throw new InputError('This model has no chat template, so it cannot chat: use generate with a prompt or ids.');
  resolveDecoding(obeyToolChoice(defaults, host.text), decodingHost(host.core, host.text));
  answerFormat(defaults, host.text);
}

/** @throws InputError where the model has no chat template, or an option is out of range. */
export function createChatSession(host: SavingHost, defaults: ChatOptions): Chat {
  checkDefaults(host, defaults);
  return openSession(host, { defaults, messages: systemMessages(defaults), dropped: NOTHING });
}

/** @throws FormatError for what is no whole chat, InputError for a chat with another model, and where there are no files */
export async function loadChatSession(host: SavingHost, from: string | Uint8Array): Promise<Chat> {
  host.core.checkOpen();
  const bytes = typeof from === 'string' ? await filesOf(host, 'loadChat').read(from) : from;
  if (!(bytes instanceof Uint8Array)) throw new InputError(`loadChat takes the name of a file or its bytes, found ${describeValue(from)}.`);
  const record = decodeChat(bytes, host.model, typeof from === 'string' ? from : 'The chat');
  checkDefaults(host, record.defaults);
  return openSession(host, record);
}

function filesOf({ files }: SavingHost, call: string): ChatFiles {
  if (files === undefined) throw new InputError(`${call} by name needs files, which there are none of here: use bytes (chat.toBytes).`);
  return files;
}

function openSession(host: SavingHost, { defaults, messages, dropped }: ChatRecord): Chat {
  const state: ChatState = {
    host,
    defaults,
    turns: createTurnOrder(),
    sequence: openSequence(host.core, { isPrivate: defaults.cachePrompt === false }),
    messages,
    dropped,
    resets: 0,
    isDisposed: false,
  };
  const checkOpen = () => {
    host.core.checkOpen();
    if (state.isDisposed) throw disposed();
  };
  const restart = (history: readonly ChatMessage[]) => {
    state.resets++;
    state.messages = history;
    state.dropped = NOTHING;
  };
  const recordOf = (): ChatRecord => ({ defaults, messages: state.messages, dropped: state.dropped });
  const toBytes = () => encodeChat(recordOf(), host.model);
  const dispose = () => {
    if (state.isDisposed) return;
    state.isDisposed = true;
    state.turns.close(disposed());
    state.sequence.close();
  };
  return {
    options: defaults,
    get history() {
      return state.messages;
    },
    set history(history) {
      checkOpen();
      if (!Array.isArray(history) || history.length > 0) checkMessages(history);
      restart([...history]);
    },
    send: (message, options = {}): Generation => takeTurn(state, message, options),
    reset: () => restart(systemMessages(defaults)),
    fork() {
      checkOpen();
      return openSession(host, recordOf());
    },
    toBytes,
    save: async (file) => filesOf(host, 'save').write(file, toBytes()),
    dispose,
    [Symbol.dispose]: dispose,
  };
}

function disposed(): InputError {
  return new InputError('This chat was disposed: create another one.');
}
