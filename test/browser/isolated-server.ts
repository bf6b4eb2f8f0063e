import { createReadStream, existsSync, realpathSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { repoRoot } from '../house/repository.ts';
import { serveHttp } from '../http-server.ts';
import type { TestServer } from '../http-server.ts';

const contentTypes: Record<string, string> = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm',
};

/** Folders a page may read. */
const served = ['dist', 'models', 'test/fixtures', 'test/browser'];

/** Headers that make a page cross-origin isolated, which SharedArrayBuffer needs. */
export const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** Serves dist/ and the fixtures cross-origin isolated, without a bundler. */
export function serveIsolated(): Promise<TestServer> {
  return serveStatic(ISOLATED);
}

/**
 * As any static host, with these headers beside its own.
 * @param answer asked first; true where it has answered
 */
export async function serveStatic(
  headers: Readonly<Record<string, string>> = {}, answer?: (request: IncomingMessage, response: ServerResponse) => boolean,
): Promise<TestServer> {
  return serveHttp((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (answer?.(request, response)) return;
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (path === '/') return void response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>ingot</title>');
    sendFile(servedFile(path), request, response);
  });
}

/** @param file its path; undefined, or where none is: 404 */
export function sendFile(file: string | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (file === undefined || !existsSync(file)) return void response.writeHead(404).end();
  response.setHeader('Content-Type', contentTypes[extname(file)] ?? 'application/octet-stream');
  sendRange(file, request.headers.range, response);
}

function sendRange(file: string, range: string | undefined, response: ServerResponse): void {
  const sizeBytes = statSync(file).size;
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (!match) return void createReadStream(file).pipe(response);
  const start = Number(match[1]);
  if (start >= sizeBytes) return void response.writeHead(416, { 'Content-Range': `bytes */${sizeBytes}` }).end();
  const end = Math.min(match[2] ? Number(match[2]) : Infinity, sizeBytes - 1);
  response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${sizeBytes}`, 'Content-Length': end - start + 1 });
  createReadStream(file, { start, end }).pipe(response);
}

function servedFile(path: string): string | undefined {
  const file = join(repoRoot, path);
  const isServed = served.some((folder) => file.startsWith(join(repoRoot, folder) + sep));
  return isServed && existsSync(file) ? realpathSync(file) : undefined;
}
