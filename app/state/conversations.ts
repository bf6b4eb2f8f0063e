/** The chats of this browser, and the one that is shown. */
import { computed, signal } from '@preact/signals';
import { onceUnwritten, turnsBeingWritten } from './answer-lock.ts';
import { createChatStore } from './chat-store.ts';
import { familiesOf, newConversation, shownTurns, withChangedTurn, withoutTurn, withTurnsBack } from './conversation.ts';
import type { ChatSettings, Conversation, Turn } from './conversation.ts';
import { dismiss, tell } from './notices.ts';
import { chosenModel, newChatSettings } from './settings.ts';

/** The newest first. */
export const conversations = signal<readonly Conversation[]>([]);
export const isLoaded = signal(false);
export const currentId = signal<string | undefined>(undefined);
/** Settings of the chat that has not begun. */
const unbegun = signal<ChatSettings | undefined>(undefined);

export const current = computed(() => conversations.value.find(({ id }) => id === currentId.value));
export const turns = computed<readonly Turn[]>(() => (current.value === undefined ? [] : shownTurns(current.value)));
export const families = computed(() =>
  current.value === undefined ? new Map<string | undefined, readonly Turn[]>() : familiesOf(current.value),
);
export const currentSettings = computed(() => current.value?.settings ?? unbegun.value ?? newChatSettings.value);

const store = createChatStore({
  get: (id) => conversations.value.find((one) => one.id === id),
  take(conversation) {
    place(conversation);
    stopLeft(conversation);
  },
  drop(id) {
    if (id === undefined ? conversations.value.length > 0 : id === currentId.value) tell('The chat was deleted in another tab.');
    forget(id);
  },
});

function tellLoss(error: unknown): void {
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  const why = name === 'QuotaExceededError' ? 'it has no room left. Export it, and delete chats or models.' : message || name;
  tell(`This browser did not keep the chat: ${why}`);
}

/** Of deleting, in place of what {@link tellLoss} says. */
function tellKept(what: string, error: unknown): void {
  tell(`This browser did not delete ${what}: ${error instanceof Error ? error.message || error.name : String(error)}`);
}

function withStopped(conversation: Conversation, id: string): Conversation {
  return { ...withChangedTurn(conversation, id, { state: 'stopped' }), updatedAt: conversation.updatedAt };
}

/** An answer whose tab goes while it writes is as far as it came. */
function stopLeft({ id, turns: all }: Conversation): void {
  const stop = (turn: string) => {
    const now = conversations.value.find((one) => one.id === id);
    if (now?.turns[turn]?.state === 'writing') void keep(withStopped(now, turn));
  };
  for (const turn of Object.values(all)) if (turn.state === 'writing') onceUnwritten(turn.id, () => stop(turn.id));
}

export async function loadConversations(): Promise<void> {
  try {
    const [all, written] = await Promise.all([store.readAll(), turnsBeingWritten()]);
    const isLeft = ({ id, state }: Turn) => state === 'writing' && !written.has(id);
    conversations.value = all.map((one) =>
      Object.values(one.turns)
        .filter(isLeft)
        .reduce((whole, { id }) => withStopped(whole, id), one),
    );
    for (const one of conversations.value) stopLeft(one);
  } catch (error) {
    tell(`Chats of this browser could not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  isLoaded.value = true;
}

/** Puts a conversation in its place among the others, the newest first. */
function place(conversation: Conversation): void {
  const rest = conversations.value.filter(({ id }) => id !== conversation.id);
  const at = rest.findIndex(({ updatedAt }) => updatedAt <= conversation.updatedAt);
  conversations.value = rest.toSpliced(at === -1 ? rest.length : at, 0, conversation);
}

/** Puts a conversation in its place. @returns once it is on the disk as well; never rejects */
export async function keep(conversation: Conversation, { onDisk = true } = {}): Promise<void> {
  place(conversation);
  if (onDisk) await store.write(conversation.id).catch(tellLoss);
}

/** Changes a conversation as it is now; nothing where it has been deleted. */
export async function change(id: string, by: (conversation: Conversation) => Conversation): Promise<void> {
  const conversation = conversations.value.find((one) => one.id === id);
  if (conversation !== undefined) await keep(by(conversation));
}

export function startConversation(): Conversation {
  const conversation = newConversation(currentSettings.value, chosenModel.value);
  unbegun.value = undefined;
  void keep(conversation, { onDisk: false });
  currentId.value = conversation.id;
  return conversation;
}

/** Shows an empty chat, which is kept from its first message on. */
export function showNew(): void {
  currentId.value = undefined;
  unbegun.value = undefined;
}

export function show(id: string): void {
  currentId.value = id;
  const model = current.value?.model;
  if (model !== undefined) chosenModel.value = model;
}

export function rename(id: string, title: string): void {
  const trimmed = title.trim();
  if (trimmed !== '') void change(id, (one) => ({ ...one, title: trimmed, isNamed: true }));
}

/** Takes a chat from the list, or all of them. */
function forget(id: string | undefined): void {
  conversations.value = id === undefined ? [] : conversations.value.filter((one) => one.id !== id);
  if (id === undefined || currentId.value === id) showNew();
}

/** Turns that come back: deleting them ended what this tab wrote of them, and without locks nothing tells so later. */
function asLeft(all: Conversation['turns']): Conversation['turns'] {
  if (navigator.locks !== undefined) return all;
  const left = (turn: Turn): Turn => (turn.state === 'writing' ? { ...turn, state: 'stopped' } : turn);
  return Object.fromEntries(Object.entries(all).map(([id, turn]) => [id, left(turn)]));
}

export function remove(id: string): void {
  const conversation = conversations.value.find((one) => one.id === id);
  if (conversation === undefined) return;
  const wasShown = currentId.value === id;
  const back = (onDisk: boolean) => {
    void keep({ ...conversation, turns: asLeft(conversation.turns) }, { onDisk });
    stopLeft(conversation);
    if (wasShown && currentId.value === undefined) currentId.value = id;
  };
  forget(id);
  const notice = tell('The chat was deleted.', () => back(true));
  store.remove(id).catch((error: unknown) => {
    dismiss(notice);
    if (conversations.value.every((one) => one.id !== id)) back(false);
    tellKept('the chat', error);
  });
}

/** Deletes a turn of a chat, and what follows it. */
export function removeTurn(id: string, turn: string): void {
  const before = conversations.value.find((one) => one.id === id);
  if (before === undefined) return;
  const after = withoutTurn(before, turn);
  void keep(after);
  const gone = Object.fromEntries(Object.entries(before.turns).filter(([key]) => after.turns[key] === undefined));
  const chosen = Object.fromEntries(Object.entries(before.chosen).filter(([key, value]) => after.chosen[key] !== value));
  tell('The message was deleted, and what followed it.', () => {
    // Nothing else changes: what was written or deleted since then stays so.
    const one = conversations.value.find((each) => each.id === id);
    if (one === undefined) return;
    const { whole, more } = withTurnsBack(one, { gone: asLeft(gone), chosen, before: asLeft(before.turns) });
    void keep(whole);
    if (more > 0) tell('The message is back, and with it what it follows, which had been deleted since.');
    stopLeft(whole);
  });
}

export function removeAll(): void {
  const all = conversations.value;
  forget(undefined);
  store.removeAll().catch((error: unknown) => {
    for (const one of all) if (conversations.value.every(({ id }) => id !== one.id)) place({ ...one, turns: asLeft(one.turns) });
    tellKept('the chats', error);
  });
}

/** Of the chat that is shown; new chats begin with them too. */
export function setSettings(part: Partial<ChatSettings>): void {
  const settings = { ...currentSettings.value, ...part };
  newChatSettings.value = settings;
  if (current.value === undefined) unbegun.value = settings;
  else void change(current.value.id, (one) => ({ ...one, settings }));
}
