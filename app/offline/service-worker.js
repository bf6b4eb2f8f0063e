// The service worker: keeps the files of one build of the app, and answers for them where there is no network. Requests to models pass it by.
// The build puts the lists of files, and a hash of them, in place of the names below. What only models in the page need is kept once it was
// asked for: it is larger than all else together.
const FILES = __FILES__;
const LATER = __LATER__;
const CACHE = 'ingot-app-__VERSION__';
const PAGE = './';

let isOwn = true;

self.addEventListener('install', (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll([PAGE, ...FILES].map((path) => new Request(path, { cache: 'no-cache' })));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener('activate', (event) => {
  const tidy = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith('ingot-app-') && name !== CACHE).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

// A page that shares memory among threads must be isolated, which its headers say: hosts of static files rarely send them.
function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set('cross-origin-opener-policy', 'same-origin');
  headers.set('cross-origin-embedder-policy', 'require-corp');
  headers.set('cross-origin-resource-policy', 'same-origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

// Another program may have come to this address, as development servers do: its page stays as it is, and this worker goes.
async function own(fresh) {
  const text = await fresh.clone().text();
  if (/<meta[^>]*\bname=["']?ingot-models\b/.test(text)) return isolated(fresh);
  isOwn = false;
  await self.registration.unregister();
  return fresh;
}

// The newest page where there is a network, so that a server that was updated is not followed by an old app.
async function page(request) {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) return await own(fresh);
    // A way to a sign-in, a refusal, a page that is not there: what the host says. What is kept stands in for a host that fails.
    if (fresh.type === 'opaqueredirect' || fresh.status < 500) return fresh;
  } catch {
    // No network: what is kept.
  }
  const kept = await cache.match(PAGE);
  return kept === undefined ? Response.error() : isolated(kept);
}

async function file(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request.url);
  if (kept !== undefined) return isolated(kept);
  const fresh = await fetch(request);
  if (fresh.ok) await cache.put(request.url, fresh.clone());
  return isolated(fresh);
}

const scope = new URL('./', self.location.href).href;
const names = new Set([...FILES, ...LATER].map((path) => new URL(path, scope).href));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !isOwn) return;
  if (request.mode === 'navigate' && request.url.split(/[?#]/, 1)[0] === scope) event.respondWith(page(request));
  else if (names.has(request.url)) event.respondWith(file(request));
});
