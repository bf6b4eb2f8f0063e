/** Chats of this browser, in IndexedDB: a conversation is one record, with the files that were put in. */
import { openDB } from 'idb';
import type { DBSchema, IDBPDatabase } from 'idb';
import type { Conversation } from './conversation.ts';

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation; indexes: { updatedAt: number } };
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
export async function readConversations(): Promise<Conversation[]> {
  const all = await (await open()).getAllFromIndex('conversations', 'updatedAt');
  return all.toReversed();
}

export async function writeConversation(conversation: Conversation): Promise<void> {
  await (await open()).put('conversations', conversation);
}

export async function deleteConversation(id: string): Promise<void> {
  await (await open()).delete('conversations', id);
}

export async function deleteAllConversations(): Promise<void> {
  await (await open()).clear('conversations');
}
