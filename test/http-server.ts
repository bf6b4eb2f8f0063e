/** A server on this machine for tests of what is read over HTTP. */
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Ends its connections too. Idempotent. */
  close(): Promise<void>;
}

/** Bytes [start, end) of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export async function serveHttp(handle: RequestListener): Promise<TestServer> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a request asks for of a file of `sizeBytes`: all of it where it names no range. */
export function requestedRange({ headers: { range } }: IncomingMessage, sizeBytes: number): ByteRange {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  return { start: Number(first ?? 0), end: last ? Math.min(Number(last) + 1, sizeBytes) : sizeBytes };
}

/** Answers with a part of a file, as a server should. */
export function sendPart(
  response: ServerResponse,
  bytes: Uint8Array,
  { start, end }: ByteRange,
  headers: Readonly<Record<string, string>> = {},
): void {
  const part = bytes.subarray(start, end);
  const range = `bytes ${start}-${start + part.length - 1}/${bytes.length}`;
  response.writeHead(206, { 'content-range': range, 'content-length': part.length, ...headers }).end(part);
}

/** What work rejects with; an error that says so where it does not. */
export async function errorOf(work: Promise<unknown>): Promise<Error> {
  return (await work.then(() => new Error('no error'), (reason: unknown) => reason)) as Error;
}
