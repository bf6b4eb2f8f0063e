/** Chats as files: all of them as JSON, which comes back, and one as Markdown, for people. */
import { dataUrlOf } from '../transport/request-messages.ts';
import { shownTurns } from './conversation.ts';
import type { Attachment, Conversation, Turn } from './conversation.ts';
import { conversations, keep } from './conversations.ts';
import { tell } from './notices.ts';

const FORMAT = 'ingot-chats';
const VERSION = 1;

type WrittenTurn = Omit<Turn, 'attachments'> & {
  readonly attachments?: readonly (Omit<Attachment, 'blob'> & { readonly data: string })[];
};

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

/** A data URL's bytes, without asking for it as if it were an address. */
function blobOf(url: string): Blob {
  const [, type = '', data = ''] = /^data:([^;,]*)(?:;[^,]*)?;base64,(.*)$/s.exec(url) ?? [];
  return new Blob([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], { type });
}

function readTurn({ attachments, ...rest }: WrittenTurn): Turn {
  const state = rest.state === 'writing' ? 'stopped' : rest.state;
  if (attachments === undefined) return { ...rest, state };
  return { ...rest, state, attachments: attachments.map(({ data, ...own }) => ({ ...own, blob: blobOf(data) })) };
}

function isWritten(one: unknown): one is Conversation & { readonly turns: Readonly<Record<string, WrittenTurn>> } {
  if (typeof one !== 'object' || one === null) return false;
  const { id, title, turns, chosen, settings } = one as Partial<Record<keyof Conversation, unknown>>;
  const isRecord = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (typeof id !== 'string' || typeof title !== 'string' || !isRecord(turns) || !isRecord(chosen) || !isRecord(settings)) return false;
  return Object.values(turns).every(
    (turn: Partial<Turn>) =>
      isRecord(turn) &&
      typeof turn.id === 'string' &&
      typeof turn.text === 'string' &&
      ['user', 'assistant', 'tool'].includes(turn.role ?? ''),
  );
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

/** Puts the chats of a file beside those that are there; one of the same id takes its place where it is newer. */
export async function importChats(file: Blob): Promise<void> {
  let read: { readonly format?: unknown; readonly conversations?: unknown };
  try {
    read = JSON.parse(await file.text()) as typeof read;
  } catch {
    tell('This file holds no chats: it is no JSON.');
    return;
  }
  if (read.format !== FORMAT || !Array.isArray(read.conversations) || !read.conversations.every(isWritten)) {
    tell('This file holds no chats of Ingot.');
    return;
  }
  const there = new Map(conversations.value.map((one) => [one.id, one.updatedAt]));
  const fresh = read.conversations.filter(({ id, updatedAt }) => (there.get(id) ?? -1) < updatedAt);
  for (const one of fresh) {
    const turns = Object.values(one.turns).map((turn) => [turn.id, readTurn(turn)] as const);
    keep({ ...one, turns: Object.fromEntries(turns) });
  }
  tell(fresh.length === 1 ? 'One chat was read.' : `${fresh.length} chats were read.`);
}
