/** How the app's files go out, whatever is in them; `test/app` looks at the app itself. */
import { expect, it } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { createServer } from '../create-server.ts';

const files: Readonly<Record<string, string>> = {
  'index.html': '<meta name="ingot-models" content="browser" />', 'sw.js': 'self', 'assets/a-1.js': 'a', 'assets/b.wasm': 'b',
};
const app = { read: async (path: string) => (path in files ? new TextEncoder().encode(files[path]) : undefined) };
const { model } = await loadFakeModel();
const server = createServer({ models: { fake: model }, app });
const get = (path: string, of = server) => of.fetch(new Request(`http://localhost${path}`)) as Promise<Response>;

it('says in the page that a server sent it, which is asked for anew each time', async () => {
  const page = await get('/?utm=a');
  expect(await page.text()).toBe('<meta name="ingot-models" content="server" />');
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('cache-control')).toBe('no-cache');
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
  expect(page.headers.get('content-security-policy')).toContain("require-trusted-types-for 'script'");
});

it.each([
  ['/assets/a-1.js', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
  ['/assets/b.wasm', 'application/wasm', 'public, max-age=31536000, immutable'],
  ['/sw.js', 'text/javascript; charset=utf-8', 'no-cache'],
])('%s is %s, kept: %s', async (path, type, kept) => {
  const { status, headers } = await get(path);
  expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([200, type, kept]);
});

it('has no other files, and none without the app', async () => {
  const others = ['/assets/x.js', '/assets/..%2findex.html', '/index.html', '/assets/'];
  for (const path of others) expect((await get(path)).status, path).toBe(404);
  const bare = await get('/', createServer({ models: { fake: model } }));
  expect([bare.status, (await bare.json()).error.code]).toEqual([404, 'no_app']);
});
