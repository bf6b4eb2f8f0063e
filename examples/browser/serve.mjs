// Serves index.html as a browser must get it before threads may share memory, isolated from other origins. Open the URL it prints.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';

const ingot = new URL('.', import.meta.resolve('ingot/package.json'));
const folders = {
  '/ingot/': ingot,
  '/': new URL('.', import.meta.url),
};
const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

const server = createServer((request, response) => {
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
  const { pathname } = new URL(request.url, 'http://localhost');
  const prefix = Object.keys(folders).find((each) => pathname.startsWith(each));
  const file = new URL(pathname === '/' ? 'index.html' : pathname.slice(prefix.length), folders[prefix]);
  const found = file.href.startsWith(folders[prefix].href) && statSync(file, { throwIfNoEntry: false });
  if (!found || !found.isFile()) return response.writeHead(404).end();
  response.setHeader('Content-Type', types[extname(file.pathname)] ?? 'application/octet-stream');
  // Models are read by ranges.
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (first === undefined) return createReadStream(file).pipe(response);
  const [start, end] = [Number(first), Math.min(Number(last || Infinity), found.size - 1)];
  if (start > end) return response.writeHead(416, { 'Content-Range': `bytes */${found.size}` }).end();
  response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${found.size}`, 'Content-Length': end - start + 1 });
  createReadStream(file, { start, end }).pipe(response);
});
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => console.log(`http://localhost:${server.address().port}/`));
