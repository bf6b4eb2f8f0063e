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
  const channel = new BroadcastChannel('ingot chats');
  const chats = new SharedChats(tab, (word) => channel.postMessage(word));
  channel.addEventListener('message', ({ data }) => void chats.hear(data as Word));
  const writings = new Writings((id) => chats.write(id));
  return {
    readAll: () => chats.readAll(),
    write: (id) => writings.ask(id),
    remove: (id) => chats.remove(id),
    removeAll: () => chats.removeAll(),
  };
}

/** One writing of a chat at a time, and one that waits for it: who asks for another meanwhile has that one. */
class Writings {
  readonly #write: (id: string) => Promise<void>;
  readonly #waiting = new Map<string, Promise<void>>();
  readonly #last = new Map<string, Promise<void>>();

  constructor(write: (id: string) => Promise<void>) {
    this.#write = write;
  }

  ask(id: string): Promise<void> {
    const there = this.#waiting.get(id);
    if (there !== undefined) return there;
    const job = (this.#last.get(id) ?? Promise.resolve()).then(() => {
      this.#waiting.delete(id);
      return this.#write(id);
    });
    this.#waiting.set(id, job);
    this.#last.set(id, job.catch(() => {}));
    return job;
  }
}

/**
 * How often this tab has deleted a chat, or all of them. What was asked of the disk before a deletion tells nothing of what comes after it,
 * as when the deletion is undone.
 */
class Deletions {
  readonly #counts = new Map<string | undefined, number>();

  add(id?: string): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  of(id: string): number {
    return (this.#counts.get(id) ?? 0) + (this.#counts.get(undefined) ?? 0);
  }
}

/** What the disk has, as this tab saw it last, and what follows for the tab's own chats. */
class SharedChats {
  readonly #tab: TabChats;
  readonly #tell: (word: Word) => void;
  readonly #seen = new Map<string, Seen>();
  readonly #deletions = new Deletions();

  constructor(tab: TabChats, tell: (word: Word) => void) {
    this.#tab = tab;
    this.#tell = tell;
  }

  async readAll(): Promise<readonly Conversation[]> {
    const all = (await readConversations()).map(seenOf);
    for (const one of all) this.#seen.set(one.conversation.id, one);
    return all.map(({ conversation }) => conversation);
  }

  async write(id: string): Promise<void> {
    const ours = this.#tab.get(id);
    const revision = newId();
    const deleted = this.#deletions.of(id);
    const written = await updateConversation(id, (stored) => {
      const next = this.#nextOf(id, stored);
      return next && { ...next, revision };
    });
    if (this.#deletions.of(id) !== deleted) return;
    if (written === undefined) {
      if (this.#seen.has(id)) this.#drop(id);
      return;
    }
    const { conversation } = seenOf(written);
    const now = this.#tab.get(id);
    // Another tab deleted it while it was written: what is imported by its id later is not taken for what that tab deleted.
    if (now === undefined) return;
    this.#seen.set(id, { revision, conversation });
    if (ours !== undefined && conversation.turns !== ours.turns)
      this.#tab.take(mergeConversations({ base: ours, theirs: conversation, ours: now }));
    this.#tell({ id, isGone: false });
  }

  /** What the disk is to have; undefined: what it has, since the chat was deleted here or there. */
  #nextOf(id: string, stored: KeptConversation | undefined): Conversation | undefined {
    const [ours, before] = [this.#tab.get(id), this.#seen.get(id)];
    if (ours === undefined || (stored === undefined && before !== undefined)) return undefined;
    if (stored === undefined || isAsSeen(stored, before)) return ours;
    return mergeConversations({ base: before?.conversation, theirs: seenOf(stored).conversation, ours });
  }

  /** What another tab tells. */
  async hear({ id, isGone }: Word): Promise<void> {
    if (id === undefined) {
      this.#seen.clear();
      return this.#tab.drop(undefined);
    }
    const deleted = this.#deletions.of(id);
    const stored = isGone ? undefined : await readConversation(id);
    if (this.#deletions.of(id) !== deleted) return;
    // One that never was on the disk, or is not there again yet, is not gone.
    if (stored === undefined) return isGone || this.#seen.has(id) ? this.#drop(id) : undefined;
    const [ours, before] = [this.#tab.get(id), this.#seen.get(id)];
    if (isAsSeen(stored, before)) return;
    const read = seenOf(stored);
    this.#seen.set(id, read);
    const theirs = read.conversation;
    this.#tab.take(ours === undefined ? theirs : mergeConversations({ base: before?.conversation, theirs, ours }));
  }

  async remove(id: string): Promise<void> {
    this.#seen.delete(id);
    this.#deletions.add(id);
    await deleteConversation(id);
    this.#tell({ id, isGone: true });
  }

  async removeAll(): Promise<void> {
    this.#seen.clear();
    this.#deletions.add();
    await deleteAllConversations();
    this.#tell({ isGone: true });
  }

  #drop(id: string): void {
    this.#seen.delete(id);
    this.#tab.drop(id);
  }
}
