/** Chats as files: all of them as JSON, which comes back, and one as Markdown, for people. */
import { dataUrlOf } from '../transport/request-messages.ts';
import { shownTurns } from './conversation.ts';
import type { Conversation, Turn } from './conversation.ts';
import { conversations, keep } from './conversations.ts';
import { tell } from './notices.ts';
import { FORMAT, readChats } from './read-chats.ts';
import type { WrittenTurn } from './read-chats.ts';

const VERSION = 1;

async function writtenTurn(turn: Turn): Promise<WrittenTurn> {
  const { attachments, ...rest } = turn;
  if (attachments === undefined) return rest;
  const written = attachments.map(async ({ blob, ...own }) => ({ ...own, data: await dataUrlOf(blob) }));
  return { ...rest, attachments: await Promise.all(written) };
}

async function writtenConversation(conversation: Conversation): Promise<object> {
  const turns = await Promise.all(Object.values(conversation.turns).map(writtenTurn));
  return { ...conversation, turns: Object.fromEntries(turns.map((turn) => [turn.id, turn])) };
}

export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function fileName(title: string, extension: string): string {
  const plain = title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-|-$/g, '');
  return `${plain === '' ? 'chat' : plain}.${extension}`;
}

export async function exportChats(chosen: readonly Conversation[] = conversations.value): Promise<void> {
  const written = await Promise.all(chosen.map(writtenConversation));
  const text = JSON.stringify({ format: FORMAT, version: VERSION, conversations: written }, null, 1);
  const name = chosen.length === 1 ? fileName(chosen[0]!.title, 'json') : `ingot-chats-${new Date().toISOString().slice(0, 10)}.json`;
  saveFile(new Blob([text], { type: 'application/json' }), name);
}

const SPEAKERS = { user: 'You', assistant: 'Answer', tool: 'Tool' } as const;

export function exportMarkdown(conversation: Conversation): void {
  const parts = shownTurns(conversation).map(({ role, text, attachments = [] }) => {
    const files = attachments.map(({ name }) => `*${name}*`);
    return [`## ${SPEAKERS[role]}`, ...files, text].filter((part) => part !== '').join('\n\n');
  });
  const text = [`# ${conversation.title}`, ...parts].join('\n\n');
  saveFile(new Blob([`${text}\n`], { type: 'text/markdown' }), fileName(conversation.title, 'md'));
}

/** Puts the chats of a file beside those that are there: a newer one of the same id takes its place. A bad file leaves nothing. */
export async function importChats(file: Blob): Promise<void> {
  let read: readonly Conversation[];
  try {
    read = readChats(await file.text());
  } catch (error) {
    tell(`This file holds no chats of Ingot that can be read: ${error instanceof Error ? error.message : String(error)}.`);
    return;
  }
  const there = new Map(conversations.value.map((one) => [one.id, one.updatedAt]));
  const fresh = read.filter(({ id, updatedAt }) => (there.get(id) ?? -1) < updatedAt);
  for (const one of fresh) void keep(one);
  tell(fresh.length === 1 ? 'One chat was read.' : `${fresh.length} chats were read.`);
}
