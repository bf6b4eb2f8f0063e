/** A server in a process of its own, and streams of its events. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AnsweredTokens } from './answer-together.ts';

export interface ServerProcess {
  /** `http://127.0.0.1:8080` */
  readonly origin: string;
  close(): Promise<void>;
}

export interface ServerStart {
  readonly program: string;
  readonly args: readonly string[];
  /** What it says on stderr when it takes requests, the port as its first group. */
  readonly listening: RegExp;
}

const KEPT_OUTPUT = 20_000;
const END_MS = 5000;

/** @throws Error with what it last said where it ends before it listens */
export async function startServer({ program, args, listening }: ServerStart): Promise<ServerProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const over = once(child, 'close').catch(() => {});
  let said = '';
  const port = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-KEPT_OUTPUT);
      const [, found] = listening.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('error', reject);
    const last = () => said.trim().split('\n').slice(-3).join(' ');
    child.once('close', () => reject(new Error(`${program} ended before it took requests: ${last()}`)));
  });
  return {
    origin: `http://127.0.0.1:${port}`,
    async close() {
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
      child.kill();
      await over;
      clearTimeout(timer);
    },
  };
}

export interface AskOptions {
  /** Of the `Authorization: Bearer` header. */
  readonly key?: string | undefined;
}

/** Posts JSON, and takes what comes. */
function post(url: string, body: object, { key }: AskOptions): Promise<IncomingMessage> {
  const text = JSON.stringify(body);
  const headers = {
    'content-type': 'application/json', 'content-length': Buffer.byteLength(text),
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? secureRequest : request;
    const sent = send(url, { method: 'POST', headers, agent: false }, resolve);
    sent.on('error', reject).end(text);
  });
}

/** Parts of a stream that came together, and when. */
interface Chunk {
  readonly at: number;
  readonly bytes: Buffer;
}

/** An event's JSON, and when its bytes came. */
export interface TimedEvent {
  readonly at: number;
  readonly value: any;
}

/**
 * All events of a streamed answer. What came is read when all of it is there, so that the reader of many streams costs little while they
 * run.
 * @throws Error with what the server says is wrong
 */
export async function eventsOf(url: string, body: object, options: AskOptions = {}): Promise<TimedEvent[]> {
  const response = await post(url, body, options);
  const chunks: Chunk[] = [];
  response.on('data', (bytes: Buffer) => chunks.push({ at: performance.now(), bytes }));
  await once(response, 'end');
  const events: TimedEvent[] = [];
  let rest = '';
  for (const { at, bytes } of chunks) {
    const parts = (rest + bytes.toString('latin1')).split(/\r?\n\r?\n/);
    rest = parts.pop() as string;
    for (const part of parts) {
      // Servers send comments to keep a stream alive, and names of events.
      const text = part.split(/\r?\n/).filter((line) => line.startsWith('data:')).map((line) => line.slice('data:'.length).trim()).join('');
      if (text === '' || text === '[DONE]') continue;
      const value = JSON.parse(Buffer.from(text, 'latin1').toString('utf8'));
      if (value.error !== undefined) throw new Error(value.error.message ?? JSON.stringify(value.error));
      events.push({ at, value });
    }
  }
  if (response.statusCode !== 200) throw new Error(`the server answered ${response.statusCode}: ${rest.slice(0, 300)}`);
  return events;
}

/** As {@link eventsOf}. @param countOf what an event says of its tokens */
export async function* eventTokens(
  url: string, body: object, countOf: (event: any) => Omit<AnsweredTokens, 'at'>,
): AsyncGenerator<AnsweredTokens, void, undefined> {
  for (const { at, value } of await eventsOf(url, body)) yield { ...countOf(value), at };
}
