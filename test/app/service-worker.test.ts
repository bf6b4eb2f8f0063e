/** What the service worker does with a page: its own, another's, a redirect, a host that fails. */
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';

const source = readFileSync(new URL('../../app/offline/service-worker.js', import.meta.url), 'utf8')
  .replace('__FILES__', '["./a.js"]')
  .replace('__LATER__', '[]');
const OWN = '<head><meta name="ingot-models" content="browser" /></head>';

function worker(answer: () => Response) {
  const listeners = new Map<string, (event: object) => void>();
  const state = { isRegistered: true };
  runInNewContext(source, {
    URL,
    Headers,
    Response,
    Request,
    fetch: async () => answer(),
    caches: { open: async () => ({ match: async () => new Response('kept') }) },
    self: {
      location: { href: 'http://host/chat/sw.js' },
      addEventListener: (name: string, listener: (event: object) => void) => listeners.set(name, listener),
      registration: { unregister: async () => (state.isRegistered = false) },
    },
  });
  const open = (url = 'http://host/chat/', mode = 'navigate') => {
    let given: Promise<Response> | undefined;
    listeners.get('fetch')!({ request: { method: 'GET', mode, url }, respondWith: (one: Promise<Response>) => (given = one) });
    return given;
  };
  return { state, open };
}

it('isolates its own page', async () => {
  const { open, state } = worker(() => new Response(OWN));
  const response = (await open())!;
  expect(response.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
  expect(await response.text()).toBe(OWN);
  expect(state.isRegistered).toBe(true);
});

it("leaves another's page as it is, and goes", async () => {
  const { open, state } = worker(() => new Response('<p>Another</p>'));
  const response = (await open())!;
  expect(response.headers.get('cross-origin-embedder-policy')).toBe(null);
  expect(await response.text()).toBe('<p>Another</p>');
  expect(state.isRegistered).toBe(false);
  expect(open('http://host/chat/a.js', 'cors')).toBe(undefined);
});

it('passes on redirects and refusals, and stands in for a host that fails', async () => {
  const redirect = Object.defineProperties(new Response(null), {
    type: { value: 'opaqueredirect' },
    ok: { value: false },
    status: { value: 0 },
  });
  expect(await worker(() => redirect).open()).toBe(redirect);
  expect((await worker(() => new Response('sign in', { status: 401 })).open())!.status).toBe(401);
  for (const fail of [() => new Response('', { status: 502 }), () => Promise.reject(new TypeError('no network')) as never])
    expect(await (await worker(fail).open())!.text()).toBe('kept');
});
