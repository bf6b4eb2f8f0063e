/** Hosts that do not do as they should, each below a path of its own, and a good one; all have the same model. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestedRange, sendPart, serveHttp } from '../http-server.ts';
import type { TestServer } from '../http-server.ts';
import { ISOLATED, serveStatic } from './isolated-server.ts';

interface Asking {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const LOGIN = '<!doctype html><title>Sign in</title><form><input type="password"></form>';
const CHUNK = new Uint8Array(1 << 20).fill(7);

function partHeaders({ bytes, start, end }: Asking): Record<string, string | number> {
  return { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, 'content-length': end - start, etag: '"1"' };
}

/** As much as whoever reads takes, for ever. */
function pour(response: ServerResponse): void {
  while (!response.destroyed && response.write(CHUNK));
  if (!response.destroyed) response.once('drain', () => pour(response));
}

/** What each of them answers to a request for a file. */
const HOSTS: Readonly<Record<string, (asking: Asking) => void>> = {
  good: ({ response, bytes, start, end }) => sendPart(response, bytes, { start, end }, { etag: '"1"' }),
  'ignores-ranges': ({ response, bytes }) => void response.writeHead(200, { 'content-length': bytes.length, etag: '"1"' }).end(bytes),
  'part-of-nothing': (asking) => {
    const { 'content-range': _, ...headers } = partHeaders(asking);
    asking.response.writeHead(206, headers).end(asking.bytes.subarray(asking.start, asking.end));
  },
  'other-part': (asking) => {
    const { response, bytes, start, end } = asking;
    response.writeHead(206, { ...partHeaders(asking), 'content-range': `bytes ${start + 1}-${end}/${bytes.length}` });
    response.end(bytes.subarray(start, end));
  },
  login: ({ response }) => void response.writeHead(200, { 'content-type': 'text/html' }).end(LOGIN),
  'login-as-model': ({ response }) => void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(LOGIN),
  'breaks-off': (asking) => {
    const { response, bytes, start } = asking;
    response.writeHead(206, partHeaders(asking));
    response.write(bytes.subarray(start, start + 1000), () => response.destroy());
  },
  'breaks-off-whole': ({ response, bytes }) => {
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, 100_000), () => response.destroy());
  },
  'says-too-little': (asking) => {
    asking.response.writeHead(206, { ...partHeaders(asking), 'content-length': 1000 });
    asking.response.end(asking.bytes.subarray(asking.start, asking.start + 1000));
  },
  'gives-too-much': (asking) => {
    const { response, bytes, start, end } = asking;
    response.writeHead(206, { ...partHeaders(asking), 'content-length': end - start + 10 });
    response.end(bytes.subarray(start, end + 10));
  },
  vast: (asking) => {
    const { response, bytes, start, end } = asking;
    response.writeHead(206, { ...partHeaders(asking), 'content-range': `bytes ${start}-${end - 1}/${10 ** 14}` });
    response.end(bytes.subarray(start, end));
  },
  endless: ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.write('GGUF');
    pour(response);
  },
};

export interface HostileSite extends TestServer {
  /** Hosts that do as another one from now on. */
  readonly instead: Record<string, string>;
  /** Of a file of a host. */
  url(host: string): string;
}

/** A page at `/`, as any static host has it; each host at `/at/NAME/m.gguf`; `elsewhere` sends on to another origin, which says nothing. */
export async function serveHostileSite(bytes: Uint8Array): Promise<HostileSite> {
  const other = await serveHttp((request, response) => sendPart(response, bytes, requestedRange(request, bytes.length)));
  const instead: HostileSite['instead'] = {};
  const server = await serveStatic(ISOLATED, (request, response) => {
    const [, name = ''] = /^\/at\/([\w-]+)\//.exec(request.url ?? '') ?? [];
    const host = instead[name] ?? name;
    if (host === 'elsewhere') response.writeHead(302, { location: `${other.origin}/m.gguf` }).end();
    else HOSTS[host]?.({ request, response, bytes, ...requestedRange(request, bytes.length) });
    return host === 'elsewhere' || host in HOSTS;
  });
  return {
    instead,
    origin: server.origin,
    url: (host) => `${server.origin}/at/${host}/m.gguf`,
    close: async () => void (await Promise.all([server.close(), other.close()])),
  };
}
