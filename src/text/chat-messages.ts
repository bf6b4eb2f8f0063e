/**
 * Messages as a template takes them. Callers send what OpenAI's API has (texts in parts, null beside tool calls, arguments as JSON text,
 * a message of the system, thoughts in `reasoning_content`), and templates differ in what of it they read. What a template takes is found
 * by rendering small conversations, each when first needed; what it takes as it is stays.
 */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';
import type { ChatTemplate, RenderChatOptions } from './chat-template.ts';

type Message = JsonObject;

/** Questions about a template, by name. */
interface Abilities {
  /** A message of the system. */
  readonly system: () => boolean;
  /** Content that is a list of parts with texts, of messages of this role. */
  readonly parts: (role: JsonValue | undefined) => boolean;
  /** Arguments of a call as an object. */
  readonly objects: () => boolean;
  /** Thoughts in a part of the content, as Ministral's has them. */
  readonly thinkingParts: () => boolean;
  /** Thoughts in the field `thinking`, as gpt-oss has them, and in no other. */
  readonly thinkingField: () => boolean;
}

const MARK = 'QPROBEQ';
const USER: Message = { role: 'user', content: 'x' };

/** Whether the mark is in what the template makes of the messages, and not in a list or an object that it printed. */
function shows(template: ChatTemplate, options: RenderChatOptions, messages: readonly Message[]): boolean {
  try {
    const { text } = template.render({ ...options, messages });
    return text.includes(MARK) && !/['"](?:text|thinking)['"]: ?['"]QPROBEQ/.test(text);
  } catch {
    return false;
  }
}

function once(ask: () => boolean): () => boolean {
  let answer: boolean | undefined;
  return () => (answer ??= ask());
}

/** A call and its result, with an assistant's other fields. */
function calling(args: JsonValue, more: JsonObject = {}): Message[] {
  const call = { id: 'abcdefghi', type: 'function', function: { name: 'f', arguments: args } };
  const result = { role: 'tool', tool_call_id: call.id, name: 'f', content: 'y' };
  return [USER, { role: 'assistant', content: '', tool_calls: [call], ...more }, result];
}

const PARTS: Message = { content: [{ type: 'text', text: MARK }] };

/** Templates may read parts in the messages of some roles only. */
function partsOf(takes: (messages: readonly Message[]) => () => boolean): Abilities['parts'] {
  const [asked, call] = calling({}) as [Message, Message];
  const of: Readonly<Record<string, () => boolean>> = {
    system: takes([{ role: 'system', ...PARTS }, USER]),
    user: takes([{ role: 'user', ...PARTS }]),
    assistant: takes([USER, { role: 'assistant', ...PARTS }, USER]),
    tool: takes([asked, call, { role: 'tool', tool_call_id: 'abcdefghi', name: 'f', ...PARTS }]),
  };
  return (role) => typeof role === 'string' && Object.hasOwn(of, role) && of[role]?.() === true;
}

function abilitiesOf(template: ChatTemplate, options: RenderChatOptions): Abilities {
  const takes = (messages: readonly Message[]) => once(() => shows(template, options, messages));
  const inField = takes(calling({}, { thinking: MARK }));
  const inOtherField = takes(calling({}, { reasoning_content: MARK }));
  return {
    system: takes([{ role: 'system', content: MARK }, USER]),
    parts: partsOf(takes),
    objects: takes(calling({ key: MARK })),
    thinkingParts: takes([USER, { role: 'assistant', content: [{ type: 'thinking', thinking: MARK }, { type: 'text', text: 'x' }] }, USER]),
    thinkingField: once(() => inField() && !inOtherField()),
  };
}

/** What content says: texts of its parts a line each. */
export function contentText(content: JsonValue | undefined): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as readonly JsonValue[])
    .flatMap((part) => (isJsonObject(part) && typeof part['text'] === 'string' ? [part['text']] : []))
    .join('\n');
}

/** Content without lists where the template reads none, and without null. Parts that are no texts stay: who renders them hears of it. */
function shapeContent({ content, role }: Message, { parts }: Abilities): JsonValue {
  if ((content ?? null) === null) return '';
  if (!Array.isArray(content)) return content as JsonValue;
  const isText = (content as readonly JsonValue[]).every((part) => isJsonObject(part) && typeof part['text'] === 'string');
  return isText && !parts(role) ? contentText(content) : content;
}

function parsedArguments(text: string): JsonValue {
  try {
    const value = JSON.parse(text === '' ? '{}' : text) as JsonValue;
    return isJsonObject(value) ? value : text;
  } catch {
    return text;
  }
}

/** Arguments that are JSON text become objects where the template takes those. */
function shapeCalls(calls: JsonValue | undefined, { objects }: Abilities): JsonValue | undefined {
  if (!Array.isArray(calls)) return calls;
  return (calls as readonly JsonValue[]).map((call) => {
    const inner = isJsonObject(call) && isJsonObject(call['function']) ? call['function'] : call;
    if (!isJsonObject(call) || !isJsonObject(inner) || typeof inner['arguments'] !== 'string' || !objects()) return call;
    const shaped = { ...inner, arguments: parsedArguments(inner['arguments']) };
    return inner === call ? shaped : { ...call, function: shaped };
  });
}

/** A thought where the template reads it. */
function shapeThought(message: Message, abilities: Abilities): Message {
  const { reasoning_content: thought, content, tool_calls: calls } = message as Readonly<Record<string, JsonValue | undefined>>;
  if (typeof thought !== 'string' || thought === '') return message;
  if (abilities.thinkingParts()) {
    const said = contentText(content);
    const text = said === '' ? [] : [{ type: 'text', text: said }];
    return { ...message, content: [{ type: 'thinking', thinking: thought }, ...text] };
  }
  if (!abilities.thinkingField() || message['thinking'] !== undefined) return message;
  // Such a template takes no words beside a thought before a call.
  return { ...message, thinking: thought, ...(Array.isArray(calls) && calls.length > 0 ? { content: '' } : {}) };
}

function shapeMessage(message: Message, abilities: Abilities): Message {
  const content = shapeContent(message, abilities);
  if (message['role'] !== 'assistant') return { ...message, content };
  const calls = shapeCalls(message['tool_calls'], abilities);
  return shapeThought({ ...message, content, ...(calls === undefined ? {} : { tool_calls: calls }) }, abilities);
}

/** A system's message goes before the first user's text where the template has no place for one. */
function placeSystem(messages: readonly Message[], { system }: Abilities): readonly Message[] {
  const [first, second] = messages;
  const isLost = first?.['role'] === 'system' && second?.['role'] === 'user' && typeof second['content'] === 'string' && !system();
  if (!isLost) return messages;
  const said = contentText(first['content']);
  const asked = second['content'] as string;
  return [{ ...second, content: said === '' ? asked : `${said}\n\n${asked}` }, ...messages.slice(2)];
}

/** The template with messages made what it takes. */
export function shapingTemplate(template: ChatTemplate): ChatTemplate {
  // With tools another template may be used.
  const known = new Map<boolean, Abilities>();
  return {
    render(options) {
      const hasTools = options.tools !== undefined;
      const { tools, specialTokens, now } = options;
      const abilities = known.get(hasTools) ?? abilitiesOf(template, { messages: [], tools, specialTokens, now });
      known.set(hasTools, abilities);
      const messages = (options.messages as readonly Message[]).map((message) => shapeMessage(message, abilities));
      return template.render({ ...options, messages: placeSystem(messages, abilities) });
    },
  };
}
