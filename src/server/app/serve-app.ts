/** The app at `/`: files that a build has made, sent with what a browser is to keep, and to allow them. */
import type { Call } from '../call.ts';
import { Failure } from '../failure.ts';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', json: 'application/json',
  webmanifest: 'application/manifest+json', svg: 'image/svg+xml', png: 'image/png', wasm: 'application/wasm', woff2: 'font/woff2',
};

/**
 * What the page may do: run its own files and ask its own server. Markup of answers becomes nodes by one library alone (its policy of
 * Trusted Types). Styles on elements are what formulas are laid out by.
 */
const POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "style-src-attr 'unsafe-inline'", "connect-src 'self'",
  "img-src 'self' data: blob:", "media-src 'self' blob:", "font-src 'self'", "manifest-src 'self'", "worker-src 'self'", "base-uri 'none'",
  "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", 'trusted-types dompurify ingot',
].join('; ');

const PAGE_HEADERS = {
  'content-security-policy': POLICY, 'cache-control': 'no-cache', 'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(self)',
};

/** A file's name holds a hash of what is in it. */
const FOREVER = 'public, max-age=31536000, immutable';

/** By itself the app runs models in the page; this line of it, with another word, says that it was sent by a server. */
const ALONE = '<meta name="ingot-models" content="browser"';
const SERVED = '<meta name="ingot-models" content="server"';

async function bytesOf({ state: { app } }: Call, path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (app === undefined)
    throw new Failure('This server was made without the app: createServer takes it as app (appFiles() of ingot).', {
      status: 404, code: 'no_app',
    });
  const bytes = await app.read(path);
  if (bytes === undefined) throw new Failure('The app has no such file.', { status: 404, code: 'unknown_file' });
  return bytes as Uint8Array<ArrayBuffer>;
}

function respond(body: Uint8Array<ArrayBuffer> | string, path: string, headers: Readonly<Record<string, string>>): Response {
  const type = TYPES[path.slice(path.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  return new Response(body, { headers: { 'content-type': type, 'cross-origin-resource-policy': 'same-origin', ...headers } });
}

export async function appPage(call: Call): Promise<Response> {
  const html = new TextDecoder().decode(await bytesOf(call, 'index.html'));
  return respond(html.replace(ALONE, SERVED), 'index.html', PAGE_HEADERS);
}

/** The service worker, which a browser asks for again each day. */
export async function appWorker(call: Call): Promise<Response> {
  return respond(await bytesOf(call, 'sw.js'), 'sw.js', { 'cache-control': 'no-cache', 'content-security-policy': POLICY });
}

export async function appFile(call: Call): Promise<Response> {
  const path = `assets/${call.pathParameters['name'] ?? ''}`;
  // A worker has a policy of its own, which is what it is sent with.
  return respond(await bytesOf(call, path), path, { 'cache-control': FOREVER, 'content-security-policy': POLICY });
}
