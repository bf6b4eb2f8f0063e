/** What each event of a client does to its session. */
import type { RespondOptions, TalkSession } from '../../engine/talk/live/talker.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import type { ClientEvent } from './client-events.ts';
import { newId } from './new-id.ts';
import type { Outbox } from './outbox.ts';
import type { SessionAnswers } from './session-answers.ts';
import { responseConfig, sessionJson, sessionSettings, updatedConfig } from './session-config.ts';
import type { SessionAbilities, SessionConfig } from './session-config.ts';
import { REALTIME_RATE } from './session-parameters.ts';
import { soundOf } from './sound-events.ts';
import { givenItemJson, talkItemOf } from './told-items.ts';
import type { ToldItem, ToldItems } from './told-items.ts';

/** A session, as far as its client's events reach. */
export interface SessionParts {
  readonly call: Call;
  readonly talk: TalkSession;
  readonly out: Outbox;
  readonly items: ToldItems;
  readonly answers: SessionAnswers;
  readonly abilities: SessionAbilities;
  readonly about: { readonly id: string; readonly expires_at: number };
  config: SessionConfig;
  /** Items that a client put in and the talker has not told yet. */
  readonly given: Map<string, { readonly item: ToldItem; readonly after: string | undefined }>;
  /** Milliseconds of sound that no turn has, where commit alone makes turns. */
  bufferedMs: number;
}

type Command = (session: SessionParts, event: ClientEvent) => void | Promise<void>;

/** Items of a conversation. */
const MOST_ITEMS = 2000;
/** Sound that can be committed. */
const LEAST_TURN_MS = 100;

export function tellSession(type: 'session.created' | 'session.updated', { out, config, abilities, about }: SessionParts): void {
  out.send({ type, session: sessionJson(config, abilities, about) });
}

const update: Command = (session, { given, raw }) => {
  const { talk, abilities, call } = session;
  if (!isJsonObject(raw['session'] as JsonValue))
    throw invalid('Missing required parameter: session.', { param: 'session', code: 'missing_required_parameter' });
  const sent = { given: (given['session'] ?? {}) as JsonObject, raw: raw['session'] as JsonObject };
  const config = updatedConfig(sent, session.config, abilities);
  talk.update(sessionSettings(config, abilities, { most: call.state.limits.outputTokens, before: session.config }));
  session.config = config;
  tellSession('session.updated', session);
};

/** Sound that waits for a commit. */
const MOST_BUFFER_MS = 300_000;

const append: Command = async (session, { given }) => {
  const samples = soundOf(given['audio'] as string, 'audio');
  const ms = (1000 * samples.length) / REALTIME_RATE;
  const isOpen = session.config.turns === undefined;
  if (isOpen && session.bufferedMs + ms > MOST_BUFFER_MS)
    throw invalid(`The buffer has ${Math.round(session.bufferedMs)} ms, and ${MOST_BUFFER_MS} fit: commit or clear it.`, {
      param: 'audio', code: 'input_audio_buffer_full',
    });
  if (samples.length > 0) await session.talk.hear({ samples, sampleRate: REALTIME_RATE });
  session.bufferedMs = isOpen ? session.bufferedMs + ms : 0;
};

const commit: Command = async (session) => {
  const isOpen = session.config.turns === undefined;
  if (isOpen && session.bufferedMs < LEAST_TURN_MS)
    throw invalid(`The buffer has ${session.bufferedMs.toFixed(2)} ms of sound: expected at least ${LEAST_TURN_MS}.`, {
      code: 'input_audio_buffer_commit_empty',
    });
  await session.talk.commit();
  session.bufferedMs = 0;
};

const clear: Command = async (session) => {
  await session.talk.clear();
  session.bufferedMs = 0;
  session.out.send({ type: 'input_audio_buffer.cleared' });
};

const create: Command = ({ talk, items, given: waiting }, { given }) => {
  const item = given['item'] as JsonObject;
  const after = given['previous_item_id'] as string | undefined;
  const id = (item['id'] as string | null | undefined) ?? newId('item');
  if (items.has(id) || waiting.has(id))
    throw invalid('There is an item of this id in the conversation.', { param: 'item.id', code: 'item_exists' });
  if (after !== undefined && after !== 'root') items.get(after);
  if (items.size + waiting.size >= MOST_ITEMS)
    throw invalid(`The conversation has ${MOST_ITEMS} items, the most that it takes: delete some.`, {
      param: 'item', code: 'too_many_items',
    });
  const told = givenItemJson(item, id);
  const made = talkItemOf(item, id);
  waiting.set(id, { item: told, after });
  try {
    talk.add(made, { after });
  } catch (error) {
    waiting.delete(id);
    throw error;
  }
};

const remove: Command = ({ talk, items, answers }, { given }) => {
  const id = given['item_id'] as string;
  items.get(id);
  const parent = answers.parentOf(id);
  if (parent !== undefined && !parent.isAlone)
    throw invalid('This call is part of an answer that has more: delete its message.', { param: 'item_id', code: 'unsupported_item' });
  talk.remove(parent?.itemId ?? id);
};

const retrieve: Command = ({ items, out }, { given }) =>
  out.send({ type: 'conversation.item.retrieved', item: items.get(given['item_id'] as string) });

const truncate: Command = ({ talk, items }, { given }) => {
  const id = given['item_id'] as string;
  const { role, content } = items.get(id);
  const [part] = (content ?? []) as readonly JsonObject[];
  if (role !== 'assistant' || (part !== undefined && part['type'] !== 'output_audio'))
    throw invalid('Only answers that were spoken can be cut.', { param: 'item_id', code: 'unsupported_item' });
  talk.truncate(id, given['audio_end_ms'] as number);
};

/** New items, and those of the conversation that a client names. */
function inputOf({ items, answers }: SessionParts, input: readonly JsonObject[]): NonNullable<RespondOptions['items']> {
  return input.map((item) => {
    if (item['type'] !== 'item_reference') {
      const own = (item['id'] as string | null | undefined) ?? newId('item');
      if (!items.has(own)) return talkItemOf(item, own);
      throw invalid('There is an item of this id in the conversation: give another, or name that one as item_reference.', {
        param: 'response.input', code: 'item_exists',
      });
    }
    const { id } = items.get(item['id'] as string);
    return { itemId: answers.parentOf(id)?.itemId ?? id };
  });
}

function wayToAnswers({ isListener }: SessionAbilities): string {
  return isListener ? 'this one was opened with intent=transcription. Open another, with a model.'
    : 'send session.update with type realtime.';
}

const respond: Command = async (session, { given }) => {
  const { answers, config, abilities } = session;
  if (config.isTranscription)
    throw invalid(`A session of transcription answers nothing: ${wayToAnswers(abilities)}`, { param: 'type', code: 'unsupported_event' });
  const response = (given['response'] ?? {}) as JsonObject;
  const own = responseConfig(response, config, abilities);
  const input = response['input'] as readonly JsonObject[] | undefined;
  await answers.ask({
    config: own, metadata: (response['metadata'] as JsonObject | undefined) ?? null, isWaiting: false,
    items: input && inputOf(session, input), isApart: response['conversation'] === 'none',
  });
};

const cancel: Command = ({ answers }, { given }) => answers.cancel(given['response_id'] as string | undefined);

/** By the event's type: one for each of `CLIENT_EVENTS`. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  'session.update': update,
  'input_audio_buffer.append': append,
  'input_audio_buffer.commit': commit,
  'input_audio_buffer.clear': clear,
  'conversation.item.create': create,
  'conversation.item.delete': remove,
  'conversation.item.retrieve': retrieve,
  'conversation.item.truncate': truncate,
  'response.create': respond,
  'response.cancel': cancel,
};
