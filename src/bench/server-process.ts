/** A server in a process of its own, and streams of its events. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
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

/** Posts JSON, and takes what comes. */
function post(url: string, body: object): Promise<IncomingMessage> {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, agent: false }, resolve);
    sent.on('error', reject).end(text);
  });
}

/** Parts of a stream that came together, and when. */
interface Chunk {
  readonly at: number;
  readonly bytes: Buffer;
}

/**
 * Streams an answer. What came is read when all of it is there, so that the reader of many streams costs little while they run.
 * @param countOf what an event says of its tokens
 */
export async function* eventTokens(
  url: string, body: object, countOf: (event: any) => Omit<AnsweredTokens, 'at'>,
): AsyncGenerator<AnsweredTokens, void, undefined> {
  const response = await post(url, body);
  const chunks: Chunk[] = [];
  response.on('data', (bytes: Buffer) => chunks.push({ at: performance.now(), bytes }));
  await once(response, 'end');
  let rest = '';
  for (const { at, bytes } of chunks) {
    const events = (rest + bytes.toString('latin1')).split('\n\n');
    rest = events.pop() as string;
    for (const event of events) {
      if (!event.startsWith('data: ') || event === 'data: [DONE]') continue;
      const parsed = JSON.parse(event.slice('data: '.length));
      if (parsed.error !== undefined) throw new Error(parsed.error.message);
      yield { ...countOf(parsed), at };
    }
  }
  if (response.statusCode !== 200) throw new Error(`the server answered ${response.statusCode}: ${rest.slice(0, 300)}`);
}
