// The app: app/ and the libraries that it stands on into dist/app, as static files. `scripts/build.mjs` runs it after the compiler;
// `scripts/dev-app.mjs` serves the same sources as they change.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';
import { repoRoot } from './install.mjs';

const app = join(repoRoot, 'app');

/** The service worker knows the files of its build: a build that changes any of them is another worker, so that browsers have them anew. */
function serviceWorker() {
  return {
    name: 'ingot-service-worker',
    generateBundle(_options, bundle) {
      const built = Object.keys(bundle).filter((path) => !/\.(map|html)$/.test(path));
      const isLater = (path) => /engine-worker|\.(wasm|safetensors)$/.test(path);
      const own = ['assets/theme.js', 'assets/app.webmanifest', 'assets/icon.svg', 'assets/icon-192.png', 'assets/icon-512.png'];
      const namesOf = (paths) => paths.toSorted().map((path) => `./${path}`);
      const [files, later] = [namesOf([...built.filter((path) => !isLater(path)), ...own]), namesOf(built.filter(isLater))];
      const page = bundle['index.html']?.source ?? '';
      const version = createHash('sha256').update([...files, ...later].join('\n')).update(String(page)).digest('hex').slice(0, 12);
      const source = readFileSync(join(app, 'offline', 'service-worker.js'), 'utf8');
      const lists = { __FILES__: JSON.stringify(files), __LATER__: JSON.stringify(later), __VERSION__: version };
      const filled = Object.entries(lists).reduce((text, [name, list]) => text.replace(name, list), source);
      this.emitFile({ type: 'asset', fileName: 'sw.js', source: filled });
    },
  };
}

/** A script of the page that is no module, so that it runs before anything is drawn: bundlers leave those alone, and warn of them. */
export const firstScript = {
  name: 'ingot-first-script',
  transformIndexHtml: { order: 'post', handler: () => [{ tag: 'script', attrs: { src: './assets/theme.js' }, injectTo: 'head' }] },
};

export const appConfig = {
  root: app,
  base: './',
  configFile: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  worker: { format: 'es', rolldownOptions: { checks: { pluginTimings: false } } },
  build: {
    outDir: join(repoRoot, 'dist', 'app'), emptyOutDir: true, target: 'es2022', modulePreload: { polyfill: false },
    // Everything is a file of its own host: no policy has to allow data URLs of scripts.
    assetsInlineLimit: 0, reportCompressedSize: false, chunkSizeWarningLimit: 2000, rolldownOptions: { checks: { pluginTimings: false } },
  },
};

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await build({ ...appConfig, plugins: [firstScript, serviceWorker()] });
