/**
 * Chats on the disk, which all tabs of a browser share: what one tab writes is merged with what others wrote since, and they are told of
 * it. Nothing is lost where no word comes through, since every writing looks first.
 */
import type { Conversation } from './conversation.ts';
import { deleteAllConversations, deleteConversation, readConversation, readConversations, updateConversation } from './database.ts';
import type { KeptConversation } from './database.ts';
import { mergeConversations } from './merge-conversations.ts';
import { newId } from './new-id.ts';

/** The chats as this tab has them. */
export interface TabChats {
  /** As it is now. */
  get(id: string): Conversation | undefined;
  /** Takes one that another tab has changed; it is on the disk already. */
  take(conversation: Conversation): void;
  /** Another tab has deleted it; undefined: all of them. */
  drop(id: string | undefined): void;
}

export interface ChatStore {
  /** The newest first. */
  readAll(): Promise<readonly Conversation[]>;
  /** Puts a chat on the disk as this tab has it by then. */
  write(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  removeAll(): Promise<void>;
}

/** What tabs tell one another: a chat is another one now, or is gone; without an id, all are gone. */
interface Word {
  readonly id?: string;
  readonly isGone: boolean;
}

/** As this tab saw it on the disk last. */
interface Seen {
  readonly revision: string | undefined;
  readonly conversation: Conversation;
}

/** Records of older versions have no revision: of them nobody can say that they are as they were. */
function isAsSeen({ revision }: KeptConversation, before: Seen | undefined): boolean {
  return revision !== undefined && revision === before?.revision;
}

function seenOf({ revision, ...conversation }: KeptConversation): Seen {
  return { revision, conversation };
}

export function createChatStore(tab: TabChats): ChatStore {
  const seen = new Map<string, Seen>();
  const channel = new BroadcastChannel('ingot chats');
  /** By chat: the writing that has not begun, and the last one. */
  const waiting = new Map<string, Promise<void>>();
  const last = new Map<string, Promise<void>>();
  /**
   * How often this tab has deleted a chat, or all of them. What was asked of the disk before a deletion tells nothing of what comes after
   * it, as when the deletion is undone.
   */
  const deletions = new Map<string | undefined, number>();
  const deletionsOf = (id: string) => (deletions.get(id) ?? 0) + (deletions.get(undefined) ?? 0);
  const countDeletion = (id?: string) => deletions.set(id, (deletions.get(id) ?? 0) + 1);

  const drop = (id: string) => {
    seen.delete(id);
    tab.drop(id);
  };
  /** What the disk is to have; undefined: what it has, since the chat was deleted here or there. */
  const nextOf = (id: string, stored: KeptConversation | undefined): Conversation | undefined => {
    const [ours, before] = [tab.get(id), seen.get(id)];
    if (ours === undefined || (stored === undefined && before !== undefined)) return undefined;
    if (stored === undefined || isAsSeen(stored, before)) return ours;
    return mergeConversations({ base: before?.conversation, theirs: seenOf(stored).conversation, ours });
  };
  const writeNow = async (id: string) => {
    const ours = tab.get(id);
    const revision = newId();
    const deleted = deletionsOf(id);
    const written = await updateConversation(id, (stored) => {
      const next = nextOf(id, stored);
      return next && { ...next, revision };
    });
    if (deletionsOf(id) !== deleted) return;
    if (written === undefined) {
      if (seen.has(id)) drop(id);
      return;
    }
    const { conversation } = seenOf(written);
    const now = tab.get(id);
    // Another tab deleted it while it was written: what is imported by its id later is not taken for what that tab deleted.
    if (now === undefined) return;
    seen.set(id, { revision, conversation });
    if (ours !== undefined && conversation.turns !== ours.turns)
      tab.take(mergeConversations({ base: ours, theirs: conversation, ours: now }));
    channel.postMessage({ id, isGone: false } satisfies Word);
  };
  const hear = async ({ id, isGone }: Word) => {
    if (id === undefined) {
      seen.clear();
      return tab.drop(undefined);
    }
    const deleted = deletionsOf(id);
    const stored = isGone ? undefined : await readConversation(id);
    if (deletionsOf(id) !== deleted) return;
    // One that never was on the disk, or is not there again yet, is not gone.
    if (stored === undefined) return isGone || seen.has(id) ? drop(id) : undefined;
    const [ours, before] = [tab.get(id), seen.get(id)];
    if (isAsSeen(stored, before)) return;
    const read = seenOf(stored);
    seen.set(id, read);
    const theirs = read.conversation;
    tab.take(ours === undefined ? theirs : mergeConversations({ base: before?.conversation, theirs, ours }));
  };
  channel.addEventListener('message', ({ data }) => void hear(data as Word));

  return {
    async readAll() {
      const all = (await readConversations()).map(seenOf);
      for (const one of all) seen.set(one.conversation.id, one);
      return all.map(({ conversation }) => conversation);
    },
    write(id) {
      const there = waiting.get(id);
      if (there !== undefined) return there;
      const job = (last.get(id) ?? Promise.resolve()).then(() => {
        waiting.delete(id);
        return writeNow(id);
      });
      waiting.set(id, job);
      last.set(
        id,
        job.catch(() => {}),
      );
      return job;
    },
    async remove(id) {
      seen.delete(id);
      countDeletion(id);
      await deleteConversation(id);
      channel.postMessage({ id, isGone: true } satisfies Word);
    },
    async removeAll() {
      seen.clear();
      countDeletion();
      await deleteAllConversations();
      channel.postMessage({ isGone: true } satisfies Word);
    },
  };
}
