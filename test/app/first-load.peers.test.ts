/** How much script a browser fetches before the first answer, WebAssembly apart. */
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { appFiles } from '../../src/node/app-files.ts';

const MOST_BYTES = 400_000;

it('is less than 400 kB of script, compressed', async () => {
  const files = appFiles();
  const textOf = async (path: string) => new TextDecoder().decode((await files.read(path))!);
  const scriptsOf = (html: string) => [...html.matchAll(/<script[^>]* src="\.\/([^"]+)"|rel="modulepreload"[^>]* href="\.\/([^"]+)"/g)];
  const first = scriptsOf(await textOf('index.html')).map(([, script, preload]) => (script ?? preload)!);
  expect(first.length).toBeGreaterThan(0);
  // What a module imports outright comes with it; what is imported when it is needed does not.
  const all = new Set(first);
  for (const path of all)
    for (const [, name] of (await textOf(path)).matchAll(/(?:import|from)\s*["']\.\/([^"']+\.js)["']/g)) all.add(`assets/${name}`);
  const sizes = await Promise.all([...all].map(async (path) => gzipSync((await files.read(path))!).length));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThan(MOST_BYTES);
  // In the page alone, the transport comes with the first load, and the engine with the first model.
  const own = /assets\/create-browser-transport-[\w-]+\.js/.exec(await textOf('sw.js'))![0];
  expect(bytes + gzipSync((await files.read(own))!).length).toBeLessThan(MOST_BYTES);
  expect(await files.read(`assets/nothing.js`)).toBe(undefined);
});
