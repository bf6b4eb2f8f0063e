/** Reads chats of a file that anybody may have written: each record is made anew of the fields that are known, and of their types. */
import type { Sampling, ToolCall, Usage } from '../transport/transport.ts';
import { ROOT } from './conversation.ts';
import type { Attachment, ChatSettings, Conversation, Figures, Turn } from './conversation.ts';

export const FORMAT = 'ingot-chats';

/** A turn as files have it: its attachments are data URLs. */
export type WrittenTurn = Omit<Turn, 'attachments'> & {
  readonly attachments?: readonly (Omit<Attachment, 'blob'> & { readonly data: string })[];
};

type Fields = Readonly<Record<string, unknown>>;

function fail(where: string, expected: string): never {
  throw new Error(`${where} must be ${expected}`);
}

function fields(value: unknown, where: string): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : fail(where, 'an object');
}

function list(value: unknown, where: string): readonly unknown[] {
  return Array.isArray(value) ? value : fail(where, 'a list');
}

function text(value: unknown, where: string): string {
  return typeof value === 'string' ? value : fail(where, 'a text');
}

function number(value: unknown, where: string): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fail(where, 'a number');
}

function truth(value: unknown, where: string): boolean {
  return typeof value === 'boolean' ? value : fail(where, 'true or false');
}

function oneOf<const Name extends string>(names: readonly Name[], value: unknown, where: string): Name {
  return names.find((name) => name === value) ?? fail(where, `one of ${names.join(', ')}`);
}

/** An id stands as a name in records, where some names mean something else. */
function idOf(value: unknown, where: string): string {
  const id = text(value, where);
  return id === '' || id === ROOT || id in Object.prototype ? fail(where, 'an id') : id;
}

/** JSON has no undefined, and writes what is no number as null. */
function maybe<Value>(read: (value: unknown, where: string) => Value, value: unknown, where: string): Value | undefined {
  return value === undefined || value === null ? undefined : read(value, where);
}

/** A record of those fields alone that are there. */
function present<Whole extends object>(whole: Whole): Whole {
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined)) as Whole;
}

/** A data URL's bytes, without asking for it as if it were an address. */
function blobOf(value: unknown, where: string): Blob {
  const [, type, data] = /^data:([^;,]*)(?:;[^,]*)?;base64,([A-Za-z0-9+/]*={0,2})$/.exec(text(value, where)) ?? [];
  if (data === undefined || data.length % 4 !== 0) fail(where, 'a data URL in base64');
  return new Blob([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], { type });
}

function attachmentOf(value: unknown, where: string): Attachment {
  const { kind, name, data } = fields(value, where);
  return {
    kind: oneOf(['image', 'audio', 'text'], kind, `${where}.kind`),
    name: text(name, `${where}.name`),
    blob: blobOf(data, `${where}.data`),
  };
}

function callOf(value: unknown, where: string): ToolCall {
  const call = fields(value, where);
  return {
    id: text(call['id'], `${where}.id`),
    name: text(call['name'], `${where}.name`),
    arguments: text(call['arguments'], `${where}.arguments`),
  };
}

function usageOf(value: unknown, where: string): Usage {
  const { promptTokens, cachedTokens, completionTokens } = fields(value, where);
  return {
    promptTokens: number(promptTokens, `${where}.promptTokens`),
    cachedTokens: number(cachedTokens, `${where}.cachedTokens`),
    completionTokens: number(completionTokens, `${where}.completionTokens`),
  };
}

function figuresOf(value: unknown, where: string): Figures {
  const { model, firstMs, totalMs, tokensPerSecond, usage } = fields(value, where);
  return {
    model: text(model, `${where}.model`),
    firstMs: maybe(number, firstMs, `${where}.firstMs`),
    totalMs: number(totalMs, `${where}.totalMs`),
    tokensPerSecond: maybe(number, tokensPerSecond, `${where}.tokensPerSecond`),
    usage: maybe(usageOf, usage, `${where}.usage`),
  };
}

function listOf<Value>(read: (value: unknown, where: string) => Value): (value: unknown, where: string) => readonly Value[] {
  return (value, where) => list(value, where).map((one, index) => read(one, `${where}[${index}]`));
}

function turnOf(value: unknown, where: string): Turn {
  const turn = fields(value, where);
  const state = oneOf(['done', 'writing', 'stopped', 'cut', 'failed'], turn['state'], `${where}.state`);
  const optional = <Value>(name: string, read: (one: unknown, at: string) => Value) => maybe(read, turn[name], `${where}.${name}`);
  return present<Turn>({
    id: idOf(turn['id'], `${where}.id`),
    parent: optional('parent', idOf),
    role: oneOf(['user', 'assistant', 'tool'], turn['role'], `${where}.role`),
    text: text(turn['text'], `${where}.text`),
    createdAt: number(turn['createdAt'], `${where}.createdAt`),
    attachments: optional('attachments', listOf(attachmentOf)),
    reasoning: optional('reasoning', text),
    reasoningMs: optional('reasoningMs', number),
    toolCalls: optional('toolCalls', listOf(callOf)),
    toolCallId: optional('toolCallId', text),
    state: state === 'writing' ? 'stopped' : state,
    error: optional('error', text),
    figures: optional('figures', figuresOf),
  });
}

const NUMBERS = [
  'temperature',
  'topP',
  'topK',
  'minP',
  'repetitionPenalty',
  'presencePenalty',
  'frequencyPenalty',
  'maxTokens',
  'seed',
] as const satisfies readonly (keyof Sampling)[];

function settingsOf(value: unknown, where: string): ChatSettings {
  const { system, sampling, tools } = fields(value, where);
  const given = fields(sampling, `${where}.sampling`);
  const numbers = NUMBERS.map((name) => [name, maybe(number, given[name], `${where}.sampling.${name}`)]);
  const stop = maybe(listOf(text), given['stop'], `${where}.sampling.stop`);
  const thinks = maybe(truth, given['thinks'], `${where}.sampling.thinks`);
  return {
    system: text(system, `${where}.system`),
    sampling: present<Sampling>({ ...Object.fromEntries(numbers), stop, thinks }),
    tools: text(tools, `${where}.tools`),
  };
}

/** @throws Error in words for a turn whose parent is not there, and for one that comes before itself */
function checkParents(turns: ReadonlyMap<string, Turn>, where: string): void {
  const sound = new Set<string>();
  for (const first of turns.values()) {
    const walked = new Set<string>();
    for (let turn = first; !sound.has(turn.id);) {
      if (walked.has(turn.id)) fail(`${where}: the parent of ${turn.id}`, 'a turn before it');
      walked.add(turn.id);
      if (turn.parent === undefined) break;
      turn = turns.get(turn.parent) ?? fail(`${where}: the parent of ${turn.id}`, 'a turn of the chat');
    }
    for (const id of walked) sound.add(id);
  }
}

function chosenOf(value: unknown, turns: ReadonlyMap<string, Turn>, where: string): Readonly<Record<string, string>> {
  const chosen = Object.entries(fields(value, where)).map(([parent, child]) => [parent, text(child, `${where}.${parent}`)] as const);
  for (const [parent, child] of chosen) {
    const turn = turns.get(child);
    if (turn === undefined || (turn.parent ?? ROOT) !== parent) fail(`${where}.${parent}`, 'a turn that follows it');
  }
  return Object.fromEntries(chosen);
}

function conversationOf(value: unknown, where: string): Conversation {
  const chat = fields(value, where);
  const turns = new Map<string, Turn>();
  for (const [id, written] of Object.entries(fields(chat['turns'], `${where}.turns`))) {
    const turn = turnOf(written, `${where}.turns.${id}`);
    if (turn.id !== id) fail(`${where}.turns.${id}.id`, 'the name that it stands by');
    turns.set(id, turn);
  }
  checkParents(turns, where);
  return {
    id: idOf(chat['id'], `${where}.id`),
    title: text(chat['title'], `${where}.title`),
    isNamed: truth(chat['isNamed'], `${where}.isNamed`),
    createdAt: number(chat['createdAt'], `${where}.createdAt`),
    updatedAt: number(chat['updatedAt'], `${where}.updatedAt`),
    model: maybe(text, chat['model'], `${where}.model`),
    settings: settingsOf(chat['settings'], `${where}.settings`),
    turns: Object.fromEntries(turns),
    chosen: chosenOf(chat['chosen'], turns, `${where}.chosen`),
  };
}

/**
 * @param written what {@link exportChats} wrote
 * @throws Error that names the first field that is not as it must be
 */
export function readChats(written: string): readonly Conversation[] {
  let whole: unknown;
  try {
    whole = JSON.parse(written);
  } catch {
    throw new Error('it is no JSON');
  }
  const { format, conversations } = fields(whole, 'the file');
  if (format !== FORMAT) fail('format', `"${FORMAT}"`);
  return listOf(conversationOf)(conversations, 'conversations');
}
