/** The chats of this browser, and the one that is shown. */
import { computed, signal } from '@preact/signals';
import { familiesOf, newConversation, shownTurns, withChangedTurn } from './conversation.ts';
import type { ChatSettings, Conversation, Turn } from './conversation.ts';
import { deleteAllConversations, deleteConversation, readConversations, writeConversation } from './database.ts';
import { tell } from './notices.ts';
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

function tellLoss(error: unknown): void {
  tell(`This browser did not keep the chat: ${error instanceof Error ? error.message : String(error)}`);
}

/** An answer that was being written when its page went is as far as it came. */
function withoutWriting(conversation: Conversation): Conversation {
  const cut = Object.values(conversation.turns).find(({ state }) => state === 'writing');
  return cut === undefined
    ? conversation
    : { ...withChangedTurn(conversation, cut.id, { state: 'stopped' }), updatedAt: conversation.updatedAt };
}

export async function loadConversations(): Promise<void> {
  try {
    conversations.value = (await readConversations()).map(withoutWriting);
  } catch (error) {
    tell(`Chats of this browser could not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  isLoaded.value = true;
}

/** Puts a conversation in its place among the others, the newest first, and keeps it. */
export function keep(conversation: Conversation, { onDisk = true } = {}): void {
  const rest = conversations.value.filter(({ id }) => id !== conversation.id);
  const at = rest.findIndex(({ updatedAt }) => updatedAt <= conversation.updatedAt);
  conversations.value = rest.toSpliced(at === -1 ? rest.length : at, 0, conversation);
  if (onDisk) writeConversation(conversation).catch(tellLoss);
}

/** Changes a conversation as it is now; nothing where it has been deleted. */
export function change(id: string, by: (conversation: Conversation) => Conversation, options?: { readonly onDisk?: boolean }): void {
  const conversation = conversations.value.find((one) => one.id === id);
  if (conversation !== undefined) keep(by(conversation), options);
}

export function startConversation(): Conversation {
  const conversation = newConversation(currentSettings.value, chosenModel.value);
  unbegun.value = undefined;
  keep(conversation, { onDisk: false });
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
  if (trimmed !== '') change(id, (one) => ({ ...one, title: trimmed, isNamed: true }));
}

export function remove(id: string): void {
  conversations.value = conversations.value.filter((one) => one.id !== id);
  if (currentId.value === id) showNew();
  deleteConversation(id).catch(tellLoss);
}

export function removeAll(): void {
  conversations.value = [];
  showNew();
  deleteAllConversations().catch(tellLoss);
}

/** Of the chat that is shown; new chats begin with them too. */
export function setSettings(part: Partial<ChatSettings>): void {
  const settings = { ...currentSettings.value, ...part };
  newChatSettings.value = settings;
  if (current.value === undefined) unbegun.value = settings;
  else change(current.value.id, (one) => ({ ...one, settings }));
}
