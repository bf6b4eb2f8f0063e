/** A static host that is a hub too, below /hub: its API, and its files by ranges, as slowly as is asked. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestedRange, sendPart } from '../http-server.ts';
import type { TestServer } from '../http-server.ts';
import { ISOLATED, serveStatic } from './isolated-server.ts';

export interface HubSite extends TestServer {
  /** `revision`, or a file's name and the range that was asked for. */
  readonly requests: string[];
  /** Milliseconds between parts of 512 KiB of a file. */
  paceMs: number;
  /** What bytes of a file wait for; undefined: nothing. */
  hold: ((file: string, start: number) => Promise<unknown> | undefined) | undefined;
  /** The hub hangs up. */
  isDown: boolean;
  /** Hashes that the API tells in place of the true ones, by file. */
  readonly told: Record<string, string>;
  /** Files of repositories, by `owner/name`. */
  readonly repositories: Record<string, Readonly<Record<string, Uint8Array>>>;
}

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const PART_BYTES = 512 * 1024;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A page's thread that asks for `/closed/N` stands still until somebody asks for `/open/N`. @returns whether that was asked for */
function createDoors(): (path: string, response: ServerResponse) => boolean {
  const opened = new Set<string>();
  const waiting = new Map<string, ServerResponse>();
  return (path, response) => {
    const [, what, name = ''] = /^\/(closed|open)\/(\w+)$/.exec(path) ?? [];
    if (what === undefined) return false;
    if (what === 'open') {
      opened.add(name);
      waiting.get(name)?.end();
    }
    if (opened.has(name)) response.end();
    else waiting.set(name, response);
    return true;
  };
}

export async function serveHubSite(repositories: HubSite['repositories']): Promise<HubSite> {
  const requests: string[] = [];
  const site: Site = { requests, paceMs: 0, hold: undefined, isDown: false, told: {}, repositories };
  const doors = createDoors();
  const isDoor = ({ url = '/' }: IncomingMessage, response: ServerResponse) => doors(url, response);
  const server = await serveStatic(ISOLATED, (request, response) => isDoor(request, response) || answer(site, request, response));
  return Object.assign(site, server);
}

type Site = Omit<HubSite, keyof TestServer>;

function answer(site: Site, request: IncomingMessage, response: ServerResponse): boolean {
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
  const api = /^\/hub\/api\/models\/([^/]+\/[^/]+)\/revision\/main$/.exec(path);
  const file = /^\/hub\/([^/]+\/[^/]+)\/resolve\/[0-9a-f]{40}\/(.+)$/.exec(path);
  const files = site.repositories[(api ?? file)?.[1] ?? ''];
  if (files === undefined) return false;
  if (site.isDown) {
    request.destroy();
    return true;
  }
  site.requests.push(api ? 'revision' : `${file![2]} ${request.headers.range ?? ''}`);
  if (api) {
    const siblings = Object.entries(files).map(([rfilename, bytes]) => ({
      rfilename,
      size: bytes.length,
      lfs: { sha256: site.told[rfilename] ?? sha256(bytes), size: bytes.length },
    }));
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sha: COMMIT, siblings }));
    return true;
  }
  const bytes = files[file![2]!];
  if (bytes === undefined) response.writeHead(404).end();
  else void send(site, response, { name: file![2]!, bytes, range: requestedRange(request, bytes.length) });
  return true;
}

async function send(
  site: Site,
  response: ServerResponse,
  { name, bytes, range }: { readonly name: string; readonly bytes: Uint8Array; readonly range: { start: number; end: number } },
): Promise<void> {
  await site.hold?.(name, range.start);
  const headers = { etag: `"${sha256(bytes.subarray(0, 1000))}"` };
  if (site.paceMs === 0) return sendPart(response, bytes, range, headers);
  const end = Math.min(range.end, bytes.length);
  response.writeHead(206, {
    ...headers,
    'content-range': `bytes ${range.start}-${end - 1}/${bytes.length}`,
    'content-length': end - range.start,
  });
  for (let at = range.start; at < end && !response.destroyed; at += PART_BYTES) {
    response.write(bytes.subarray(at, Math.min(at + PART_BYTES, end)));
    await new Promise((resolve) => setTimeout(resolve, site.paceMs));
  }
  response.end();
}
