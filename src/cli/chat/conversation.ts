/** A conversation in a terminal: the model and the chat that it goes on with, either of which a command may replace. */
import type { Chat, ChatMessage, ChatOptions, FinalPiece, Model, SendOptions } from '../../engine/api.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { contentText } from '../../text/chat-messages.ts';
import type { DeviceOptions } from '../model-options.ts';

/** Loads a model for the conversation: another one, or the same with another context. */
export type OpenModel = (path: string | undefined, options: DeviceOptions, signal: AbortSignal) => Promise<Model>;

export interface Figures {
  turns: number;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  decodeMs: number;
  decodedTokens: number;
  /** Tokens that the last answer and what was before it take. */
  contextTokens: number;
}

export interface Conversation {
  model: Model;
  /** What the model was named by; undefined for the bundled one. */
  path: string | undefined;
  device: DeviceOptions;
  chat: Chat;
  /** How the model thinks where it does. */
  reasoning: ChatOptions['reasoning'];
  /** How many of the oldest turns the model has not seen in its last answer. */
  droppedTurns: number;
  figures: Figures;
  /** Images that go before the next message's text. */
  images: readonly JsonObject[];
  /** Results of calls that were typed so far. */
  results: readonly ChatMessage[];
}

export interface Call {
  readonly id: string;
  readonly name: string;
  /** JSON. */
  readonly arguments: string;
}

export const NO_FIGURES: Figures = {
  turns: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0, decodeMs: 0, decodedTokens: 0, contextTokens: 0,
};

/** Goes on with another chat. */
export function goOnWith(state: Conversation, chat: Chat): void {
  if (state.chat !== chat) state.chat.dispose();
  Object.assign(state, { chat, droppedTurns: 0, results: [] });
}

/** The same messages with other options. @throws InputError for what cannot be meant; then all is as it was */
export function renew(state: Conversation, options: ChatOptions): void {
  const { history } = state.chat;
  const chat = state.model.createChat(options);
  chat.history = history;
  goOnWith(state, chat);
}

/** Messages in place of those that there are. */
export function putHistory(state: Conversation, history: readonly ChatMessage[]): void {
  state.chat.history = history;
  Object.assign(state, { droppedTurns: 0, results: [] });
}

/** The last message of the person's, and where it stands; undefined where there is none. */
export function lastAsked(history: readonly ChatMessage[]): { readonly at: number; readonly text: string } | undefined {
  const at = history.findLastIndex(({ role }) => role === 'user');
  return at < 0 ? undefined : { at, text: contentText(history[at]!.content as JsonValue) };
}

/** The last answer's text; undefined where there is none. */
export function lastAnswer(history: readonly ChatMessage[]): string | undefined {
  const last = history.findLast(({ role }) => role === 'assistant');
  return last === undefined ? undefined : contentText(last.content as JsonValue);
}

/** Puts this system message in the place of the one there, or none. */
export function withSystem(history: readonly ChatMessage[], text: string): readonly ChatMessage[] {
  const first = history.findIndex(({ role }) => role !== 'system');
  const rest = first < 0 ? [] : history.slice(first);
  return text === '' ? rest : [{ role: 'system', content: text }, ...rest];
}

/** Calls of the last message that have no result yet. */
export function openCalls({ chat, results }: Pick<Conversation, 'chat' | 'results'>): readonly Call[] {
  const calls = (chat.history.at(-1)?.['tool_calls'] ?? []) as readonly JsonValue[];
  return calls.slice(results.length).flatMap((call) => {
    const made = isJsonObject(call) ? call['function'] : undefined;
    if (!isJsonObject(call) || !isJsonObject(made)) return [];
    const { name, arguments: given } = made;
    return [{ id: String(call['id']), name: String(name), arguments: typeof given === 'string' ? given : JSON.stringify(given) }];
  });
}

/** Takes the images that wait. */
export function withImages(state: Conversation, text: string): string | readonly ChatMessage[] {
  const { images } = state;
  state.images = [];
  return images.length === 0 ? text : [{ role: 'user', content: [...images, { type: 'text', text }] }];
}

/** Those of a message, so that it can be asked again. */
export function imagesOf({ content }: ChatMessage): readonly JsonObject[] {
  return Array.isArray(content) ? content.filter((part: JsonObject) => part['type'] !== 'text') : [];
}

/**
 * What to send for a typed text: a message, or the results of calls once all of them are typed.
 * @returns undefined where further results are wanted
 */
export function messageFor(state: Conversation, text: string): string | readonly ChatMessage[] | undefined {
  const [call, ...others] = openCalls(state);
  if (call === undefined) return withImages(state, text);
  const results: readonly ChatMessage[] = [...state.results, { role: 'tool', tool_call_id: call.id, name: call.name, content: text }];
  state.results = results;
  return others.length > 0 ? undefined : results;
}

export function countAnswer(state: Conversation, { usage, timings }: FinalPiece): void {
  const { figures } = state;
  figures.turns++;
  figures.promptTokens += usage.promptTokens;
  figures.cachedTokens += usage.cachedTokens;
  figures.completionTokens += usage.completionTokens;
  figures.decodeMs += timings.decodeMs;
  figures.decodedTokens += Math.max(0, usage.completionTokens - 1);
  figures.contextTokens = usage.promptTokens + usage.completionTokens;
}

/**
 * Loads a model in place of the one there, and goes on with the same messages. One at a time is in memory: where the new one fails, the old
 * one is loaded again.
 * @throws what loading throws, or the new model's refusal of the conversation
 */
export async function replaceModel(
  state: Conversation,
  next: { readonly path: string | undefined; readonly device: DeviceOptions },
  { openModel, signal }: { readonly openModel: OpenModel; readonly signal: AbortSignal },
): Promise<void> {
  const { options, history } = state.chat;
  const before = { path: state.path, device: state.device };
  const open = async ({ path, device }: typeof next, during: AbortSignal) => {
    const model = await openModel(path, device, during);
    try {
      const chat = model.createChat(options);
      chat.history = history;
      state.model = model;
      goOnWith(state, chat);
      Object.assign(state, { path, device });
    } catch (error) {
      await model.dispose();
      throw error;
    }
  };
  await state.model.dispose();
  try {
    await open(next, signal);
  } catch (error) {
    await open(before, new AbortController().signal).catch((lost: Error) => {
      const both = `${(error as Error).message} And the model from before cannot be loaded again: ${lost.message}`;
      throw new InputError(both, { cause: error });
    });
    throw error;
  }
}

/** What an answer is asked with beside the chat's own options. */
export type Asking = Pick<SendOptions, 'signal' | 'onProgress' | 'seed'>;
