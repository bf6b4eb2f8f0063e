/** A hub on this machine: the API, addresses that redirect to a store of another origin, and the ways in which both misbehave. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestedRange, sendPart, serveHttp } from './http-server.ts';
import type { ByteRange } from './http-server.ts';

export type StoreAnswer = (request: IncomingMessage, response: ServerResponse, part: { bytes: Uint8Array; range: ByteRange }) => void;

export interface HubFaults {
  /** The API answers so instead. */
  api?: ((response: ServerResponse) => void) | undefined;
  /** The store answers so instead, as long as it is there. */
  store?: StoreAnswer | undefined;
  /** What the API says of a file, in place of the truth. */
  told?: ((file: { name: string; size: number; hash: string }) => { name: string; size: number; hash: string }) | undefined;
}

export interface TestHub {
  readonly origin: string;
  readonly storeOrigin: string;
  readonly faults: HubFaults;
  /** `METHOD path range` of each request, and what it was allowed by. */
  readonly requests: { readonly where: 'hub' | 'store'; readonly path: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
export const gitSha1 = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** Files above this are large ones, which the store has by their SHA-256. */
const LARGE_BYTES = 1000;

/** @param repositories files by name, by the id of the repository */
export async function serveHub(repositories: Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>): Promise<TestHub> {
  const faults: HubFaults = {};
  const requests: TestHub['requests'] = [];
  const note = (where: 'hub' | 'store', { url, headers }: IncomingMessage) =>
    void requests.push({ where, path: `${url} ${headers.range ?? ''}`.trim(), authorization: headers.authorization });
  const store = await serveHttp((request, response) => {
    note('store', request);
    const [, owner, name, ...rest] = decodeURIComponent(new URL(request.url!, 'http://x').pathname).split('/');
    const bytes = repositories[`${owner}/${name}`]?.[rest.join('/')];
    if (bytes === undefined) return void response.writeHead(404).end();
    const range = requestedRange(request, bytes.length);
    if (faults.store) return faults.store(request, response, { bytes, range });
    sendBytes(response, bytes, range);
  });
  const hub = await serveHttp((request, response) => {
    note('hub', request);
    const path = decodeURIComponent(new URL(request.url!, 'http://x').pathname);
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path);
    if (api) {
      if (faults.api) return faults.api(response);
      const files = repositories[api[1]!];
      if (files === undefined) return void response.writeHead(401, { 'x-error-code': 'RepoNotFound' }).end();
      if (api[2] !== 'main' && api[2] !== COMMIT) return void response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer(files, faults)));
    }
    const file = /^\/([^/]+\/[^/]+)\/resolve\/[0-9a-f]{40}\/(.+)$/.exec(path);
    const bytes = file ? repositories[file[1]!]?.[file[2]!] : undefined;
    if (file === null || bytes === undefined) return void response.writeHead(404).end();
    if (bytes.length > LARGE_BYTES)
      return void response.writeHead(302, { location: `${store.origin}/${file[1]}/${encodeURIComponent(file[2]!)}?signature=1` }).end();
    sendBytes(response, bytes, requestedRange(request, bytes.length));
  });
  return {
    origin: hub.origin,
    storeOrigin: store.origin,
    faults,
    requests,
    close: async () => void (await Promise.all([hub.close(), store.close()])),
  };
}

export function sendBytes(response: ServerResponse, bytes: Uint8Array, range: ByteRange): void {
  if (range.start >= bytes.length) return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  sendPart(response, bytes, range, { etag: `"${sha256(bytes)}"` });
}

function answer(files: Readonly<Record<string, Uint8Array>>, { told = (file) => file }: HubFaults): unknown {
  const siblings = Object.entries(files).map(([name, bytes]) => {
    const isLarge = bytes.length > LARGE_BYTES;
    const file = told({ name, size: bytes.length, hash: isLarge ? sha256(bytes) : gitSha1(bytes) });
    const lfs = { sha256: file.hash, size: file.size, pointerSize: 130 };
    return { rfilename: file.name, size: file.size, blobId: isLarge ? 'f'.repeat(40) : file.hash, ...(isLarge ? { lfs } : {}) };
  });
  return { id: 'x', sha: COMMIT, gated: false, private: false, siblings };
}
