/** A real browser with a page that may use threads, for engines that run in one. Packages and the browser are the person's own. */
import { createReadStream, existsSync, realpathSync, statSync } from 'node:fs';
import type { ReadStream } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packageRoot } from '../../node/package-root.ts';
import { notInstalled, packageFolder } from './installed-package.ts';
import { unpackedChromium } from './unpack-chromium.ts';

/** As much of Playwright as is used here. */
interface Page {
  goto(url: string): Promise<unknown>;
  evaluate(expression: string): Promise<unknown>;
}
interface Browser {
  version(): string;
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

export interface BrowserHost {
  /** `Chromium 140.0` */
  readonly version: string;
  /** As the page itself says. */
  readonly isIsolated: boolean;
  /** Calls an export of the page's module, with plain data. */
  call(method: string, argument: unknown): Promise<any>;
  close(): Promise<void>;
}

export interface BrowserStart {
  /** A module of this folder, without its extension: it runs in the page. */
  readonly module: string;
  readonly packages: string | undefined;
  /** Path of a browser of Chromium's family; default: the one that the packages bring. */
  readonly program: string | undefined;
  /** Served as `/model.gguf`. */
  readonly modelPath: string;
  /** A folder in a form of the engine's own, served as `/weights/`. */
  readonly weightsPath: string | undefined;
  /** Whether the page may have threads. */
  readonly isIsolated: boolean;
  /** Whether the page shall have the machine's GPU. */
  readonly isGpu: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm',
};

/** Why no browser can be had; undefined where one can. */
export function browserProblem(packages: string | undefined, program: string | undefined): string | undefined {
  if (packageFolder('playwright-core', packages) === undefined) return notInstalled('playwright-core', packages);
  if (program !== undefined) return existsSync(program) ? undefined : `there is no browser ${program}`;
  return packageFolder('@sparticuz/chromium', packages) === undefined
    ? 'give the path of a browser of Chromium\'s family as its "program" in a plan'
    : undefined;
}

export async function openBrowser(start: BrowserStart): Promise<BrowserHost> {
  const { packages, isGpu, module } = start;
  const load = (name: string, ...path: string[]): Promise<any> =>
    import(pathToFileURL(join(packageFolder(name, packages) as string, ...path)).href);
  const unpacked = async () => {
    const { default: archive } = await load('@sparticuz/chromium', 'build', 'esm', 'index.js');
    return unpackedChromium(() => archive.executablePath());
  };
  const executablePath = start.program ?? (await unpacked());
  const { chromium } = await load('playwright-core', 'index.mjs');
  const server = createServer((request, response) => serve(start, request, response)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const args = ['--no-sandbox', ...(isGpu ? ['--enable-unsafe-webgpu', '--enable-features=Vulkan'] : [])];
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    server.closeAllConnections();
    server.close();
  };
  try {
    browser = (await chromium.launch({ executablePath, args, headless: true })) as Browser;
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return {
      version: `Chromium ${browser.version()}`,
      isIsolated: (await page.evaluate('crossOriginIsolated')) as boolean,
      call: (method, argument) =>
        page.evaluate(`import('/own/${module}.js').then((page) => page[${JSON.stringify(method)}](${JSON.stringify(argument)}))`),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function serve(start: BrowserStart, request: IncomingMessage, response: ServerResponse): void {
  // Threads of WebAssembly need an isolated page.
  if (start.isIsolated) response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  if (start.isIsolated) response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
  if (path === '/') return void response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>bench</title>');
  const file = path === '/model.gguf' ? start.modelPath : fileOf(path, start);
  if (file === undefined || !existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
  response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
  sendFile(file, request.headers.range, response);
}

/** All of it, or the range that is asked for: large models are read in pieces. */
function sendFile(file: string, range: string | undefined, response: ServerResponse): void {
  const { size } = statSync(file);
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  response.setHeader('Accept-Ranges', 'bytes');
  if (from === undefined) {
    response.setHeader('Content-Length', size);
    return sendBytes(createReadStream(file), response);
  }
  const [start, end] = [Number(from), Math.min(to === '' ? Infinity : Number(to), size - 1)];
  if (start > end) return void response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
  response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${size}`, 'Content-Length': end - start + 1 });
  sendBytes(createReadStream(file, { start, end }), response);
}

/** A file that cannot be read to its end ends the answer early, which the page tells; a page that left ends the reading. */
function sendBytes(bytes: ReadStream, response: ServerResponse): void {
  pipeline(bytes, response, () => {});
}

/** `/own/x.js` of this folder, `/dist/`, `/packages/NAME/` of an installed package, `/weights/`; nothing outside of those. */
function fileOf(path: string, { packages, weightsPath }: BrowserStart): string | undefined {
  const [, root, ...parts] = path.split('/');
  if (root === 'own') return within(dirname(fileURLToPath(import.meta.url)), parts);
  if (root === 'dist') return within(join(packageRoot, 'dist'), parts);
  if (root === 'weights') return weightsPath === undefined ? undefined : within(weightsPath, parts);
  const count = parts[0]?.startsWith('@') === true ? 2 : 1;
  const folder = root === 'packages' ? packageFolder(parts.slice(0, count).join('/'), packages) : undefined;
  return folder === undefined ? undefined : within(folder, parts.slice(count));
}

function within(folder: string, parts: readonly string[]): string | undefined {
  const file = join(folder, ...parts);
  return existsSync(file) && realpathSync(file).startsWith(realpathSync(folder) + sep) ? file : undefined;
}
