/** The items of a session, in order. */
import { InputError } from '../../../tensor/errors.ts';
import { describeValue } from '../../../tensor/option-names.ts';
import type { ItemRecord } from './answerer.ts';
import type { NewTalkItem, TalkItem } from './talker.ts';

/** Names what stands before the first item. */
export const ROOT = 'root';

export class SessionHistory {
  readonly #records: ItemRecord[] = [];
  #made = 0;

  get records(): readonly ItemRecord[] {
    return this.#records;
  }

  /** An id that no item has. */
  newId(): string {
    let id: string;
    do id = `item_${++this.#made}`;
    while (this.#records.some((record) => record.id === id));
    return id;
  }

  /** Puts a record at the end, or behind another, or in front of all. @returns the id before it */
  insert(record: ItemRecord, after?: string): string | undefined {
    const at = after === undefined ? this.#records.length : after === ROOT ? 0 : this.indexOf(after) + 1;
    this.#records.splice(at, 0, record);
    return this.#records[at - 1]?.id;
  }

  /** @throws InputError for an item that is not there */
  indexOf(id: string): number {
    const at = this.#records.findIndex((record) => record.id === id);
    if (at < 0) throw new InputError(`There is no item ${describeValue(id)} in this conversation.`);
    return at;
  }

  /** @throws InputError for an id that is taken */
  checkFree(id: string): void {
    if (id === ROOT || this.#records.some((record) => record.id === id))
      throw new InputError(`There is an item ${describeValue(id)} already.`);
  }

  remove(id: string): void {
    this.#records.splice(this.indexOf(id), 1);
  }
}

export function newRecord(id: string, role: ItemRecord['role'], rest: Partial<ItemRecord> = {}): ItemRecord {
  return {
    id, role, status: 'in-progress', text: '', audioMs: 0, toolCalls: [], callId: undefined, sound: [], marks: [], samples: 0,
    ...rest,
  };
}

export function viewOf({ id, role, status, text, audioMs, toolCalls, callId }: ItemRecord): TalkItem {
  return { id, role, status, text, audioMs, toolCalls, callId };
}

const ROLES = ['user', 'system', 'assistant', 'tool'];

/** @throws InputError for what is no item; its sound is looked at where it is heard */
export function checkItem(item: NewTalkItem): void {
  if (typeof item !== 'object' || item === null)
    throw new InputError(`An item must be an object with a role, found ${describeValue(item)}.`);
  const { id, role } = item;
  if (id !== undefined && (typeof id !== 'string' || id === ''))
    throw new InputError(`An item's id must be a text, found ${describeValue(id)}.`);
  if (!ROLES.includes(role)) throw new InputError(`An item's role must be one of ${ROLES.join(', ')}, found ${describeValue(role)}.`);
  const hasCalls = role === 'assistant' && (item.toolCalls ?? []).length > 0;
  const hasMore = hasCalls || (role === 'user' && item.sound !== undefined);
  if (typeof item.text !== 'string' && !(hasMore && item.text === undefined))
    throw new InputError(`An item of role ${role} needs a text${role === 'user' ? ' or a sound' : ''}, found ${describeValue(item.text)}.`);
  if (role === 'tool' && typeof item.callId !== 'string')
    throw new InputError(`The result of a tool needs callId, found ${describeValue(item.callId)}.`);
}
