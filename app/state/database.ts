/** Chats of this browser, in IndexedDB: a conversation is one record, with the files that were put in. */
import { openDB } from 'idb';
import type { DBSchema, IDBPDatabase } from 'idb';
import type { Conversation } from './conversation.ts';

/** As it lies on the disk. Its revision is another one at each writing; those of older versions have none. */
export type KeptConversation = Conversation & { readonly revision?: string };

interface Schema extends DBSchema {
  conversations: { key: string; value: KeptConversation; indexes: { updatedAt: number } };
}

let opened: Promise<IDBPDatabase<Schema>> | undefined;

function open(): Promise<IDBPDatabase<Schema>> {
  opened ??= openDB<Schema>('ingot', 1, {
    upgrade(database) {
      database.createObjectStore('conversations', { keyPath: 'id' }).createIndex('updatedAt', 'updatedAt');
    },
    // Another tab has a newer version of the app: this one lets go, and opens it again when it is asked for.
    blocking(_current, _blocked, event) {
      (event.target as IDBDatabase).close();
      opened = undefined;
    },
    terminated() {
      opened = undefined;
    },
  });
  return opened;
}

/** The newest first. */
export async function readConversations(): Promise<readonly KeptConversation[]> {
  const all = await (await open()).getAllFromIndex('conversations', 'updatedAt');
  return all.toReversed();
}

export async function readConversation(id: string): Promise<KeptConversation | undefined> {
  return (await open()).get('conversations', id);
}

/**
 * Puts a conversation in the place of what is there, which no other tab changes meanwhile.
 * @param by makes it of what is there; undefined: that stays
 */
export async function updateConversation(
  id: string,
  by: (stored: KeptConversation | undefined) => KeptConversation | undefined,
): Promise<KeptConversation | undefined> {
  const transaction = (await open()).transaction('conversations', 'readwrite');
  const next = by(await transaction.store.get(id));
  await Promise.all([next && transaction.store.put(next), transaction.done]);
  return next;
}

export async function deleteConversation(id: string): Promise<void> {
  await (await open()).delete('conversations', id);
}

export async function deleteAllConversations(): Promise<void> {
  await (await open()).clear('conversations');
}
