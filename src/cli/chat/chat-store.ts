/** What a chat in a terminal leaves on the disk: lines for Up and Down, and conversations to go on with. Only this user may read it. */
import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chat } from '../../engine/api.ts';
import { dataFolder } from '../../node/data-folder.ts';
import { makeFolder } from '../../node/make-folder.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { UsageError } from '../exit-codes.ts';
import type { DeviceOptions } from '../model-options.ts';
import { closestTo } from '../suggestions.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ChatStore {
  /** Messages that were typed in earlier chats, oldest first. */
  readonly lines: readonly string[];
  addLine(text: string): void;
  /** Keeps the conversation under the id. */
  keep(id: string, chat: Chat, how: KeptChat): Promise<void>;
}

/** What a kept conversation was held with. */
export interface KeptChat extends DeviceOptions {
  /** A path, URL or id; undefined for the bundled model. */
  readonly model?: string | undefined;
}

const MOST_LINES = 500;
/** The file is written anew once it has so many bytes. */
const MOST_BYTES = 1e6;
const MOST_CHATS = 100;
const PRIVATE = { mode: 0o600 };
const TRUE = /^(1|on|yes|true)$/i;

/** INGOT_NO_HISTORY: nothing of chats is kept. */
export function keepsNothing(environment: Environment): boolean {
  return TRUE.test(environment['INGOT_NO_HISTORY'] ?? '');
}

export function newChatId(now = new Date()): string {
  const [date, time] = now.toISOString().slice(0, 16).replaceAll(/[-:]/g, '').split('T');
  return `${date}-${time}-${randomBytes(2).toString('hex')}`;
}

/** A disk that cannot be written keeps nothing: `onProblem` is told once, and the chat goes on. */
export function openChatStore(environment: Environment, onProblem: (message: string) => void): ChatStore {
  const home = dataFolder(environment);
  let isBroken = false;
  const tried = (work: () => void) => {
    if (isBroken) return;
    try {
      work();
    } catch (error) {
      isBroken = true;
      onProblem(`nothing of this chat is kept in ${home}: ${(error as Error).message}`);
    }
  };
  const path = join(home, 'chat-history.jsonl');
  const lines = readLines(path);
  tried(() => {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MOST_BYTES) writeWhole(path, lines.map(asLine).join(''));
  });
  return {
    lines,
    addLine: (text) =>
      tried(() => {
        makeFolder(home);
        appendFileSync(path, asLine(text), PRIVATE);
      }),
    async keep(id, chat, how) {
      if (isBroken) return;
      const folder = chatsFolder(home);
      tried(() => {
        makeFolder(folder);
        writeWhole(join(folder, `${id}.json`), JSON.stringify(how));
        writeWhole(chatPath(folder, id), chat.toBytes());
        dropOldest(folder);
      });
      return Promise.resolve();
    },
  };
}

const chatsFolder = (home: string) => join(home, 'chats');
const chatPath = (folder: string, id: string) => join(folder, `${id}.chat`);
const asLine = (text: string) => `${JSON.stringify(text)}\n`;

function readLines(path: string): readonly string[] {
  try {
    const texts = readFileSync(path, 'utf8').split('\n').slice(-2 * MOST_LINES).flatMap(lineOf);
    return texts.filter((text, index) => text !== texts[index - 1]).slice(-MOST_LINES);
  } catch {
    return [];
  }
}

/** What another program, or half a write, has left is skipped. */
function lineOf(line: string): string[] {
  try {
    const text = JSON.parse(line) as unknown;
    return typeof text === 'string' && text !== '' ? [text] : [];
  } catch {
    return [];
  }
}

function writeWhole(path: string, data: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, data, PRIVATE);
  chmodSync(temporary, PRIVATE.mode);
  renameSync(temporary, path);
}

function dropOldest(folder: string): void {
  const ids = keptIds(folder);
  for (const id of ids.slice(0, Math.max(0, ids.length - MOST_CHATS)))
    for (const ending of ['chat', 'json']) rmSync(join(folder, `${id}.${ending}`), { force: true });
}

/** Oldest first, by their last answer. */
function keptIds(folder: string): readonly string[] {
  try {
    const found = readdirSync(folder).flatMap((name) => /^(.+)\.chat$/.exec(name)?.[1] ?? []);
    const at = new Map(found.map((id) => [id, statSync(chatPath(folder, id), { throwIfNoEntry: false })?.mtimeMs ?? 0]));
    return found.toSorted((a, b) => at.get(a)! - at.get(b)! || (a < b ? -1 : 1));
  } catch {
    return [];
  }
}

/** A conversation that was kept. */
export interface FoundChat {
  readonly id: string;
  /** Of the file that `loadChat` reads. */
  readonly path: string;
  readonly how: KeptChat;
}

/** @param id `true`: the last one @throws UsageError where it is not there */
export function findChat(id: string | true, environment: Environment): FoundChat {
  const folder = chatsFolder(dataFolder(environment));
  const ids = keptIds(folder);
  const wanted = id === true ? ids.at(-1) : ids.find((each) => each === id);
  if (wanted === undefined) {
    if (ids.length === 0) throw new UsageError(`no conversation is kept in ${folder}: there is nothing to resume.`);
    const near = typeof id === 'string' ? (closestTo(id, ids) ?? ids.at(-1)) : undefined;
    throw new UsageError(`there is no conversation ${String(id)} in ${folder}. The nearest is ${near}; --resume alone takes the last.`);
  }
  return { id: wanted, path: chatPath(folder, wanted), how: howOf(join(folder, `${wanted}.json`)) };
}

function howOf(path: string): KeptChat {
  try {
    const how = JSON.parse(readFileSync(path, 'utf8')) as JsonValue;
    return isJsonObject(how) ? (how as KeptChat) : {};
  } catch {
    return {};
  }
}
