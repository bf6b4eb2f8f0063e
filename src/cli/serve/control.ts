/**
 * How other processes of this user find a server and talk to it: a file that names its socket (a pipe on Windows). A server that was killed
 * leaves the file, and nothing that answers: whoever finds that removes it.
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../node/make-folder.ts';

/** What a server says of itself. */
export interface ServerDescription {
  readonly pid: number;
  /** `http://127.0.0.1:8080` */
  readonly origin: string;
  readonly status: 'loading' | 'ready' | 'stopping';
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Requests at work, and those of them that are streams. */
  readonly requests: number;
  readonly streams: number;
  readonly models: readonly { readonly name: string; readonly status: string }[];
}

/** A server that answers. */
export interface FoundServer {
  readonly description: ServerDescription;
  /** Asks it to stop, and resolves when it has ended. */
  stop(): Promise<void>;
}

const folderOf = (dataFolder: string) => join(dataFolder, 'servers');

function newSocketPath(): string {
  const name = `ingot-${process.pid}-${Math.random().toString(36).slice(2)}`;
  // Only this user may look into a folder made so; paths of sockets are short.
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(mkdtempSync(join(tmpdir(), 'ingot-')), 'control');
}

export interface Control {
  /** Removes the file and the socket. */
  close(): void;
}

export interface ControlOptions {
  readonly dataFolder: string;
  readonly describe: () => ServerDescription;
  readonly stop: () => void;
}

/** Answers other processes from now on. */
export async function openControl({ dataFolder, describe, stop }: ControlOptions): Promise<Control> {
  const path = newSocketPath();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    socket.setEncoding('utf8').on('data', (asked) => {
      // A server that is asked to stop keeps the connection until it has ended.
      if (String(asked).startsWith('stop')) stop();
      else socket.end(`${JSON.stringify(describe())}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  if (process.platform !== 'win32') chmodSync(path, 0o600);
  const folder = folderOf(dataFolder);
  makeFolder(folder);
  const file = join(folder, `${process.pid}.json`);
  writeFileSync(`${file}.new`, JSON.stringify({ pid: process.pid, socket: path }), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return {
    close() {
      rmSync(file, { force: true });
      server.close();
      for (const socket of sockets) socket.destroy();
      removeSocket(path);
    },
  };
}

function removeSocket(path: string): void {
  if (process.platform !== 'win32') rmSync(dirname(path), { recursive: true, force: true });
}

/** All that a server says to a word, up to the end of the connection. @throws Error where none answers */
function ask(path: string, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(word));
    socket.setEncoding('utf8').on('data', (more) => (text += String(more)));
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

function readState(file: string): { readonly socket: string } | undefined {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as { readonly socket?: unknown };
    return typeof state.socket === 'string' ? { socket: state.socket } : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined for one that does not answer, whose file and socket go. */
async function find(file: string): Promise<FoundServer | undefined> {
  const state = readState(file);
  try {
    if (state === undefined) throw new Error('no state');
    const description = JSON.parse(await ask(state.socket, 'describe')) as ServerDescription;
    return { description, stop: async () => void (await ask(state.socket, 'stop')) };
  } catch {
    rmSync(file, { force: true });
    if (state !== undefined && existsSync(state.socket) && state.socket.endsWith('control')) removeSocket(state.socket);
    return undefined;
  }
}

/** None where no server was ever started. @throws the system's error for what is no folder, or may not be read */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Servers of this user that run now, by their process ids; files of others go. */
export async function findServers(dataFolder: string): Promise<readonly FoundServer[]> {
  const folder = folderOf(dataFolder);
  const files = namesIn(folder).filter((name) => /^\d+\.json$/.test(name)).map((name) => join(folder, name));
  const found = await Promise.all(files.map(find));
  return found.filter((one) => one !== undefined).toSorted((a, b) => a.description.pid - b.description.pid);
}
