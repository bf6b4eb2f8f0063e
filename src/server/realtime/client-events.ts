/** The events that clients of `/v1/realtime` may send, and what stands in them. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { nearestNames } from '../../tensor/near-names.ts';
import { invalid } from '../failure.ts';
import { readParameters } from '../parameter-table.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { parseJson } from '../request-body.ts';
import { ID, ITEM, MOST_BASE64 } from './item-schema.ts';
import { RESPONSE_PARAMETERS, SESSION_PARAMETERS } from './session-parameters.ts';

const EVENT_ID: ParameterTable = {
  event_id: { schema: { type: 'string', maxLength: 512 }, about: 'Comes back with an error.' },
};
const ITEM_ID: ParameterTable = { item_id: { schema: ID, isRequired: true, about: 'Of the conversation.' } };

/** By the type that an event has. Session and response are tables of their own. */
export const CLIENT_EVENTS: Readonly<Record<string, ParameterTable>> = {
  'session.update': { session: { table: SESSION_PARAMETERS, about: 'What is to be otherwise.' }, ...EVENT_ID },
  'input_audio_buffer.append': {
    audio: { schema: { type: 'string', maxLength: MOST_BASE64 }, isRequired: true, about: 'Base64 of sound in the format of the session.' },
    ...EVENT_ID,
  },
  'input_audio_buffer.commit': EVENT_ID,
  'input_audio_buffer.clear': EVENT_ID,
  'conversation.item.create': {
    item: { schema: ITEM, isRequired: true, about: 'A message, a call of a function, or what came of one.' },
    previous_item_id: { schema: ID, about: 'Behind which it is to stand; root: at the front. Default: at the end.' },
    ...EVENT_ID,
  },
  'conversation.item.delete': { ...ITEM_ID, ...EVENT_ID },
  'conversation.item.retrieve': { ...ITEM_ID, ...EVENT_ID },
  'conversation.item.truncate': {
    ...ITEM_ID,
    content_index: { schema: { type: 'integer', minimum: 0, maximum: 0 }, about: 'Answers have one part of sound.' },
    audio_end_ms: { schema: { type: 'integer', minimum: 0, maximum: 86_400_000 }, isRequired: true, about: 'What was heard of it.' },
    ...EVENT_ID,
  },
  'response.create': { response: { table: RESPONSE_PARAMETERS, about: 'In place of what the session says.' }, ...EVENT_ID },
  'response.cancel': { response_id: { schema: ID, about: 'Default: the answer that is being given.' }, ...EVENT_ID },
};

/** Events of the reference that nothing here answers. */
const REFUSED: Readonly<Record<string, string>> = {
  'output_audio_buffer.clear': 'it is for WebRTC, where the server plays: stop your own player, and send conversation.item.truncate.',
  'transcription_session.update': 'say session.update with the type transcription.',
};

export interface ClientEvent {
  readonly type: string;
  /** What the event's table obeys. */
  readonly given: JsonObject;
  /** As it was sent, so that null and nothing can be told apart. */
  readonly raw: JsonObject;
}

/** The id that a client gave its event, as far as that can be told of what is no event. */
export function eventIdOf(value: unknown): string | null {
  const id = isJsonObject(value as JsonObject) ? (value as JsonObject)['event_id'] : undefined;
  return typeof id === 'string' ? id.slice(0, 512) : null;
}

/** @throws Failure (400) for a text that is no JSON */
export function parseEvent(text: string): unknown {
  return parseJson(text, 'The event');
}

/** @throws Failure (400) that names what is wrong */
export function readEvent(value: unknown): ClientEvent {
  if (!isJsonObject(value as JsonObject)) throw invalid('An event must be an object with a type.', { code: 'invalid_event' });
  const raw = value as JsonObject;
  const { type, ...rest } = raw;
  if (typeof type !== 'string') throw invalid('Missing required parameter: type.', { param: 'type', code: 'missing_required_parameter' });
  const refused = Object.hasOwn(REFUSED, type) ? REFUSED[type] : undefined;
  if (refused !== undefined) throw invalid(`${type} is not obeyed here: ${refused}`, { param: 'type', code: 'unsupported_event' });
  const table = Object.hasOwn(CLIENT_EVENTS, type) ? CLIENT_EVENTS[type] : undefined;
  if (table === undefined) {
    const near = nearestNames(type.slice(0, 60), Object.keys(CLIENT_EVENTS));
    throw invalid(`There is no event of this type.${near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''}`, {
      param: 'type', code: 'unknown_event',
    });
  }
  return { type, given: readParameters(rest, table), raw };
}
