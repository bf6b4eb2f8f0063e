/** Items of a conversation as clients read and write them, and what the talker makes of those that clients write. */
import { joinSamples } from '../../audio/audio-stream.ts';
import type { NewTalkItem, TalkItem } from '../../engine/talk/live/talker.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { engineCallId } from '../call-ids.ts';
import { invalid } from '../failure.ts';
import { REALTIME_RATE } from './session-parameters.ts';
import { soundOf } from './sound-events.ts';

/** An item as it was told last. */
export type ToldItem = JsonObject & { readonly id: string };

export interface ToldItems {
  readonly size: number;
  /** Id of the last one; null where there is none. */
  readonly last: string | null;
  has(id: string): boolean;
  /** @throws Failure (404) for an item that is not there */
  get(id: string): ToldItem;
  /** Tells an item for the first time, or anew. @returns the item before it, as events name it */
  put(item: ToldItem, after?: string): string | null;
  remove(id: string): void;
}

export function createToldItems(): ToldItems {
  const items = new Map<string, ToldItem>();
  const order: string[] = [];
  const before = (id: string): string | null => order[order.indexOf(id) - 1] ?? null;
  return {
    get size() {
      return items.size;
    },
    get last() {
      return order.at(-1) ?? null;
    },
    has: (id) => items.has(id),
    get(id) {
      const item = items.get(id);
      if (item !== undefined) return item;
      throw invalid('There is no item of this id in the conversation.', { param: 'item_id', code: 'item_not_found' });
    },
    put(item, after) {
      const { id } = item;
      if (!items.has(id)) order.splice(after === 'root' ? 0 : after === undefined ? order.length : order.indexOf(after) + 1, 0, id);
      items.set(id, item);
      return before(id);
    },
    remove(id) {
      items.delete(id);
      order.splice(order.indexOf(id), 1);
    },
  };
}

interface Content {
  readonly type: string;
  readonly text?: string;
  readonly audio?: string;
  readonly transcript?: string | null;
}

/** Without the sound: who sent it has it, and it would be sent back with every event. */
function contentJson({ type, text, transcript }: Content): JsonObject {
  if (type === 'input_audio' || type === 'output_audio') return { type, transcript: transcript ?? null };
  return { type, text: text ?? '' };
}

/** An item that a client put in, as it is told. */
export function givenItemJson(item: JsonObject, id: string): ToldItem {
  const { type, role, content } = item;
  const told = { id, object: 'realtime.item', type: type as string, status: 'completed' };
  if (type === 'message') return { ...told, role: role as string, content: (content as unknown as readonly Content[]).map(contentJson) };
  if (type === 'function_call_output') return { ...told, call_id: item['call_id'] as string, output: item['output'] as string };
  return {
    ...told, call_id: (item['call_id'] as string | undefined) ?? `call_${id}`, name: item['name'] as string,
    arguments: item['arguments'] as string,
  };
}

/** What was heard, as it is told. */
export function heardItemJson({ id, text }: TalkItem): ToldItem {
  return {
    id, object: 'realtime.item', type: 'message', status: 'completed', role: 'user',
    content: [{ type: 'input_audio', transcript: text === '' ? null : text }],
  };
}

/** With the transcript of its sound. */
export function withTranscript(item: ToldItem, transcript: string): ToldItem {
  const content = (item['content'] ?? []) as readonly JsonObject[];
  return { ...item, content: content.map((part) => ('transcript' in part ? { ...part, transcript } : part)) };
}

function argumentsOf(text: string): JsonObject {
  let value: JsonValue = null;
  try {
    value = text.trim() === '' ? {} : (JSON.parse(text) as JsonValue);
  } catch {
    // Told below.
  }
  if (isJsonObject(value)) return value;
  throw invalid('item.arguments must be the text of a JSON object.', { param: 'item.arguments', code: 'invalid_value' });
}

/** A client's item for the talker. @throws Failure (400) for what cannot be read */
export function talkItemOf(item: JsonObject, id: string): NewTalkItem {
  const { type, role } = item;
  if (type === 'function_call_output')
    return { id, role: 'tool', callId: engineCallId(item['call_id'] as string), text: item['output'] as string };
  if (type === 'function_call') {
    const callId = engineCallId((item['call_id'] as string | undefined) ?? `call_${id}`);
    const call = { id: callId, name: item['name'] as string, arguments: argumentsOf(item['arguments'] as string) };
    return { id, role: 'assistant', text: '', toolCalls: [call] };
  }
  const content = item['content'] as unknown as readonly Content[];
  for (const [index, part] of content.entries()) checkContent(part, `item.content[${index}]`);
  const texts = content.flatMap(({ text, transcript }) => text ?? transcript ?? []).join('\n');
  if (role === 'system') return { id, role, text: texts };
  if (role === 'assistant') return { id, role, text: texts };
  const sounds = content.flatMap(({ type: kind, audio }, index) =>
    kind === 'input_audio' && audio !== undefined ? [soundOf(audio, `item.content[${index}].audio`)] : []);
  const written = content.flatMap(({ type: kind, text }) => (kind === 'input_text' ? [text ?? ''] : [])).join('\n');
  return {
    id, role: 'user',
    ...(written === '' && sounds.length > 0 ? {} : { text: written }),
    ...(sounds.length === 0 ? {} : { sound: { samples: joinSamples(sounds), sampleRate: REALTIME_RATE } }),
  };
}

/** @throws Failure (400) for a part that lacks what its kind is made of */
function checkContent({ type, text, audio, transcript }: Content, at: string): void {
  const [name, value] = type === 'input_audio' ? ['audio', audio] : type === 'output_audio' ? ['transcript', transcript] : ['text', text];
  if (value === undefined || value === null)
    throw invalid(`Missing required parameter: ${at}.${name}.`, { param: `${at}.${name}`, code: 'missing_required_parameter' });
}
