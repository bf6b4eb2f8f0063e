// `npm run dev`: the app from its sources, which the page takes anew as they change. Models run in the page; with `npm run dev -- --server
// URL` they are those of a server (`ingot serve`), whose API this one passes on.
import { createServer } from 'vite';
import { build } from './build.mjs';
import { appConfig, firstScript } from './build-app.mjs';

const at = process.argv.indexOf('--server');
const target = at === -1 ? undefined : process.argv[at + 1];
if (at !== -1 && !URL.canParse(target ?? '')) {
  process.stderr.write('ingot: --server must be followed by the address of a server: --server http://127.0.0.1:8080\n');
  process.exit(2);
}

// The page imports what the package is compiled to.
await build({ hasApp: false });

/** Styles come inline here, which the page's own policy refuses; and a page of a server says so. */
const asServed = {
  name: 'ingot-development-page',
  transformIndexHtml(html) {
    const open = html.replace(/<meta\s+http-equiv="Content-Security-Policy"[^>]*>/, '');
    return target === undefined ? open : open.replace('name="ingot-models" content="browser"', 'name="ingot-models" content="server"');
  },
};

const server = await createServer({
  ...appConfig,
  plugins: [firstScript, asServed],
  logLevel: 'info',
  // What looks for packages to prepare knows JSX as React's alone.
  resolve: { alias: { 'react/jsx-dev-runtime': 'preact/jsx-dev-runtime', 'react/jsx-runtime': 'preact/jsx-runtime' } },
  server: {
    headers: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
    ...(target === undefined ? {} : { proxy: { '/v1': { target, changeOrigin: true, headers: { origin: target } } } }),
  },
});
await server.listen();
server.printUrls();
