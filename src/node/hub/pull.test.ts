import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { COMMIT, gitSha1, sendBytes, serveHub, sha256 } from '../../../test/hub-server.ts';
import type { TestHub } from '../../../test/hub-server.ts';
import { errorOf } from '../../../test/http-server.ts';
import { smallGguf, utf8 } from '../../../test/model-bytes.ts';
import { CapacityError, FormatError, InputError } from '../../tensor/errors.ts';
import { locate } from '../open-path.ts';
import { cachedModel, cachedSnapshots, removeFiles } from './cache-layout.ts';
import { fileBlobPlace } from './file-blob-place.ts';
import { parseModelId } from '../../files/hub/model-id.ts';
import { modelOfHub, planPull, runPull } from './pull.ts';

/** Three pieces and a bit. */
const big = Uint8Array.from({ length: 3 * 8 * 1024 * 1024 + 17 }, (_, index) => (index * 31 + (index >> 8)) % 256);
const folder = {
  'config.json': utf8({ model_type: 'llama' }),
  'tokenizer.json': utf8({ a: 1 }),
  'model.safetensors': big.subarray(0, 5000),
  'README.md': utf8({}),
};
const repositories = {
  'o/big': { 'big-Q4_0.gguf': big, 'README.md': utf8({}) },
  'o/seeing': {
    'a-Q4_0.gguf': big.subarray(0, 3000), 'mmproj-a-BF16.gguf': big.subarray(0, 1500), 'mmproj-a-F16.gguf': big.subarray(0, 2000),
  },
  'o/small': { 'small.gguf': smallGguf() },
  'o/folder': folder,
};

let hub: TestHub;
let home = '';
let environment: Record<string, string>;
const quick = { wait: () => Promise.resolve(), roomBytes: 1e12 };
const id = (text: string) => parseModelId(text)!;
const cache = () => join(home, 'hub');
const blob = () => join(cache(), 'models--o--big', 'blobs', sha256(big));

beforeAll(async () => void (hub = await serveHub(repositories)));
afterAll(() => hub.close());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ingot-hub-'));
  environment = { HF_HOME: home, HF_ENDPOINT: `${hub.origin}/` };
  Object.assign(hub.faults, { api: undefined, store: undefined, told: undefined });
  hub.requests.length = 0;
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function pull(text: string, extra: { signal?: AbortSignal; notes?: string[] } = {}): Promise<string> {
  const plan = await planPull(id(text), { environment, ...quick, ...extra });
  return runPull(plan, { signal: extra.signal, onProgress: ({ note }) => void (note !== undefined && extra.notes?.push(note)) });
}

describe('the cache', () => {
  test("is laid out as Python's: a blob by its hash, a link in the snapshot, a ref", async () => {
    const path = await pull('o/big');
    expect(path).toBe(join(cache(), 'models--o--big', 'snapshots', COMMIT, 'big-Q4_0.gguf'));
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(sha256(readFileSync(path))).toBe(sha256(big));
    expect(readFileSync(blob()).length).toBe(big.length);
    expect(readFileSync(join(cache(), 'models--o--big', 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect(readdirSync(join(cache(), 'models--o--big', 'blobs'))).toEqual([sha256(big)]);
  });

  test('small files have their git hash; a folder has what a model is made of', async () => {
    const path = await pull('o/folder');
    expect(readdirSync(path).toSorted()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(readdirSync(join(cache(), 'models--o--folder', 'blobs'))).toContain(gitSha1(folder['config.json']));
  });

  test('a model that sees comes with its tower, which loading then finds beside it', async () => {
    const path = await pull('o/seeing');
    expect(readdirSync(join(path, '..')).toSorted()).toEqual(['a-Q4_0.gguf', 'mmproj-a-F16.gguf']);
    expect(path.endsWith('a-Q4_0.gguf')).toBe(true);
    expect((await locate(path)).projector).toMatchObject({ fileName: 'mmproj-a-F16.gguf' });
    const { missingBytes, totalBytes } = await planPull(id('o/seeing'), { environment, ...quick });
    expect([totalBytes, missingBytes]).toEqual([5000, 0]);
  });

  test('what is there is not asked for again: a second use asks nobody', async () => {
    const first = await modelOfHub(id('o/big'), { environment, ...quick });
    hub.requests.length = 0;
    expect(await modelOfHub(id('o/big'), { environment, ...quick })).toBe(first);
    expect(await modelOfHub(id(`o/big:Q4_0@${COMMIT}`), { environment: { ...environment, HF_HUB_OFFLINE: '1' }, ...quick })).toBe(first);
    expect(hub.requests).toEqual([]);
    await pull('o/big');
    expect(hub.requests.map(({ path }) => path)).toEqual(['/api/models/o/big/revision/main?blobs=true']);
  });

  test('a folder whose weights are not all there is not taken for a model', async () => {
    const path = await pull('o/folder');
    rmSync(join(path, 'model.safetensors'));
    expect(await cachedModel(cache(), id('o/folder'))).toBeUndefined();
    expect(await modelOfHub(id('o/folder'), { environment, ...quick })).toBe(path);
  });

  test('removing frees what nothing else names', async () => {
    await pull('o/big');
    const [snapshot] = await cachedSnapshots(cache());
    expect(await removeFiles(cache(), snapshot!, snapshot!.files)).toBe(big.length);
    expect(existsSync(join(cache(), 'models--o--big'))).toBe(false);
  });

  test('with a blob goes what lies beside it but its lock, and the guard by which that is freed', async () => {
    await pull('o/folder');
    const [snapshot] = await cachedSnapshots(cache());
    const file = snapshot!.files.find(({ name }) => name === 'config.json')!;
    const [part, guard] = ['part', 'lock-gone'].map((end) => `${file.blobPath}.ingot-${end}`) as [string, string];
    for (const path of [part, guard]) writeFileSync(path, '');
    await removeFiles(cache(), snapshot!, [file]);
    expect([file.blobPath, part, guard].map(existsSync)).toEqual([false, false, true]);
    // Of who was not heard of for a minute.
    utimesSync(guard, 0, Date.now() / 1000 - 60);
    await removeFiles(cache(), snapshot!, snapshot!.files);
    expect(readdirSync(cache())).toEqual([]);
  });

  test('what another process is fetching is not removed, nor is a part of it', async () => {
    await pull('o/big');
    const [snapshot] = await cachedSnapshots(cache());
    await fileBlobPlace(blob()).exclusively({}, async () => {
      const error = await errorOf(removeFiles(cache(), snapshot!, snapshot!.files));
      expect(error).toBeInstanceOf(CapacityError);
      expect(error.message).toMatch(/^o\/big: another process is fetching files of it, and nothing was removed/);
      expect(sha256(readFileSync(join(snapshot!.path, 'big-Q4_0.gguf')))).toBe(sha256(big));
    });
    expect(await removeFiles(cache(), snapshot!, snapshot!.files)).toBe(big.length);
  });

  test('removing what is there leaves the download of the rest its folder, and what it has made known', async () => {
    let first: Promise<number> | undefined;
    hub.faults.store = (_, response, { bytes, range }) => {
      // The weights come last, once what came before them is gone.
      first ??= cachedSnapshots(cache()).then(([snapshot]) => removeFiles(cache(), snapshot!, snapshot!.files));
      void first.then(() => sendBytes(response, bytes, range));
    };
    const error = await errorOf(pull('o/folder'));
    expect(error).toBeInstanceOf(CapacityError);
    expect(error.message).toMatch(/^o\/folder: \S+ was removed from the cache .*Pull it again/);
    expect(await first).toBeGreaterThan(0);
    const path = join(cache(), 'models--o--folder', 'snapshots', COMMIT);
    const names = readdirSync(path);
    expect(names).toContain('model.safetensors');
    expect(names.filter((name) => !existsSync(join(path, name)))).toEqual([]);
    // What went while the rest came is fetched when it is wanted again.
    expect(await cachedModel(cache(), id('o/folder'))).toBeUndefined();
    expect(readdirSync(await modelOfHub(id('o/folder'), { environment, ...quick })).toSorted()).toEqual([
      'config.json', 'model.safetensors', 'tokenizer.json',
    ]);
  });

  test('locate takes an id; a path that is there is a path', async () => {
    const before = { ...process.env };
    Object.assign(process.env, environment);
    try {
      expect((await locate('o/small')).fileName).toBe('small.gguf');
      expect((await locate(home)).fileName).toBeUndefined();
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });
});

describe('a network that misbehaves', () => {
  test('connections that break go on from where they broke, and the whole is right', async () => {
    let broken = 0;
    hub.faults.store = (_, response, { bytes, range }) => {
      if (broken++ % 2 === 1) return sendBytes(response, bytes, range);
      const part = bytes.subarray(range.start, range.end);
      response.writeHead(206, {
        'content-range': `bytes ${range.start}-${range.start + part.length - 1}/${bytes.length}`,
        'content-length': part.length,
      });
      response.write(part.subarray(0, Math.floor(part.length / 2)), () => response.destroy());
    };
    expect(sha256(readFileSync(await pull('o/big')))).toBe(sha256(big));
    expect(broken).toBeGreaterThan(4);
  });

  test('bytes that came before the process was killed are not asked for again', async () => {
    const stop = new AbortController();
    const isListed = () => (JSON.parse(readFileSync(`${blob()}.ingot-part.json`, 'utf8')) as { done: number[] }).done.length === 2;
    hub.faults.store = (_, response, { bytes, range }) => {
      // The first piece and the last, of 17 bytes, come; the others never do.
      if (range.end < 9e6 || range.start > 24e6) return sendBytes(response, bytes, range);
      void expect
        .poll(() => existsSync(`${blob()}.ingot-part.json`) && isListed())
        .toBe(true)
        .then(() => stop.abort(new Error('killed')));
    };
    expect((await errorOf(pull('o/big', { signal: stop.signal }))).message).toBe('killed');
    hub.faults.store = undefined;
    hub.requests.length = 0;
    const plan = await planPull(id('o/big'), { environment, ...quick });
    expect(plan.missingBytes).toBe(2 * 8 * 1024 * 1024);
    await runPull(plan, {});
    expect(sha256(readFileSync(plan.path))).toBe(sha256(big));
    expect(hub.requests.filter(({ path }) => /bytes=\d{1,6}-8388607/.test(path))).toEqual([]);
  });

  test('wrong bytes are fetched once more, and then refused, and nothing of them is kept', async () => {
    let wrong = 1;
    const corrupt = (
      _: unknown,
      response: ServerResponse,
      { bytes, range }: { bytes: Uint8Array; range: { start: number; end: number } },
    ) => {
      const part = bytes.slice();
      if (wrong > 0) part[100] = part[100]! ^ 1;
      if (range.start === 0) wrong--;
      sendBytes(response, part, range);
    };
    hub.faults.store = (request, response, part) => {
      wrong = 10;
      corrupt(request, response, part);
    };
    const notes: string[] = [];
    const error = await errorOf(pull('o/big', { notes }));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toContain(sha256(big));
    expect(notes.join()).toContain('fetching it again');
    expect(readdirSync(join(cache(), 'models--o--big', 'blobs'))).toEqual([]);
    hub.faults.store = undefined;
    expect(sha256(readFileSync(await pull('o/big')))).toBe(sha256(big));
  });

  test('another size than the list says is told', async () => {
    hub.faults.told = (file) => ({ ...file, size: file.name.endsWith('.gguf') ? file.size + 1 : file.size });
    const error = await errorOf(pull('o/big'));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/has 25165841 bytes, expected 25165842/);
  });

  test('429 waits as long as it is asked to', async () => {
    const waits: number[] = [];
    let refused = 0;
    hub.faults.api = (response) => {
      if (refused++ === 1) hub.faults.api = undefined;
      response.writeHead(429, { 'retry-after': '7' }).end();
    };
    const wait = (ms: number) => Promise.resolve(void waits.push(ms));
    await planPull(id('o/big'), { environment, ...quick, wait });
    expect(waits).toEqual([7000, 7000]);
  });

  test('a token goes to the hub and to no other host; a signed address is asked for once a file', async () => {
    environment['HF_TOKEN'] = 'hf_secret';
    await pull('o/big');
    const [onHub, onStore] = [hub.requests.filter(({ where }) => where === 'hub'), hub.requests.filter(({ where }) => where === 'store')];
    expect(onHub.every(({ authorization }) => authorization === 'Bearer hf_secret')).toBe(true);
    expect(onStore.length).toBeGreaterThan(3);
    expect(onStore.every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(onHub.filter(({ path }) => path.includes('/resolve/'))).toHaveLength(1);
  });

  test('an address whose time is over is asked for anew', async () => {
    let count = 0;
    hub.faults.store = (_, response, { bytes, range }) =>
      count++ === 2 ? void response.writeHead(403).end() : sendBytes(response, bytes, range);
    expect(sha256(readFileSync(await pull('o/big')))).toBe(sha256(big));
    expect(hub.requests.filter(({ path }) => path.includes('/resolve/'))).toHaveLength(2);
  });

  test('a file that changes while it is read is refused', async () => {
    let count = 0;
    hub.faults.store = (_, response, { bytes, range }) => {
      const part = bytes.subarray(range.start, range.end);
      const headers = { 'content-range': `bytes ${range.start}-${range.start + part.length - 1}/${bytes.length}`, etag: `"${count++}"` };
      response.writeHead(206, headers).end(part);
    };
    expect((await errorOf(pull('o/big'))).message).toMatch(/changed on the server while it was read/);
  });

  test('a server without ranges gives the file whole, with a word about it; in chunks too', async () => {
    let count = 0;
    hub.faults.store = (_, response, { bytes }) => {
      response.writeHead(200);
      response.write(bytes.subarray(0, 1e6));
      // Cut short once, after ranges were asked for and refused.
      if (count++ === 1) return void response.destroy();
      response.end(bytes.subarray(1e6));
    };
    const notes: string[] = [];
    expect(sha256(readFileSync(await pull('o/big', { notes })))).toBe(sha256(big));
    expect(notes.join()).toContain('downloaded whole');
    expect(count).toBe(3);
  });

  test('silence is cut and asked again', async () => {
    let count = 0;
    hub.faults.store = (_, response, { bytes, range }) => (count++ === 0 ? undefined : sendBytes(response, bytes, range));
    const plan = await planPull(id('o/big'), { environment, ...quick });
    const access = { ...plan.access };
    const { downloadBlob } = await import('../../files/hub/download-blob.ts');
    const { fileUrl } = await import('../../files/hub/repository.ts');
    const file = plan.choice.files[0]!;
    const http = { fetch: access.fetch, idleTimeoutMs: 1000, wait: () => Promise.resolve() };
    const place = fileBlobPlace(blob());
    const rest = { http, onBytes: () => {}, onNote: () => {} };
    await place.exclusively({}, () =>
      downloadBlob({ url: fileUrl(plan.repository, file.name, access.settings), file, place, ...rest }),
    );
    expect(sha256(readFileSync(blob()))).toBe(sha256(big));
  });

  test('two that want one file: one fetches it, the other waits and finds it', async () => {
    const notes: string[] = [];
    // The store answers once the other waits.
    hub.faults.store = (_, response, { bytes, range }) =>
      void expect.poll(() => notes.length).toBe(1).then(() => sendBytes(response, bytes, range));
    await Promise.all([pull('o/big', { notes }), pull('o/big', { notes })]);
    expect(hub.requests.filter(({ path, where }) => where === 'store' && path.includes('bytes=0-'))).toHaveLength(1);
    expect(notes.join()).toMatch(/big-Q4_0\.gguf: process \d+ is getting it/);
    expect(existsSync(`${blob()}.ingot-lock`)).toBe(false);
  });

  test('a lock whose process is gone holds nobody up', async () => {
    const child = spawn(process.execPath, ['-e', '0']);
    await once(child, 'close');
    mkdirSync(join(cache(), 'models--o--big', 'blobs'), { recursive: true });
    const { hostname } = await import('node:os');
    writeFileSync(`${blob()}.ingot-lock`, `${child.pid} ${hostname()}`);
    expect(sha256(readFileSync(await pull('o/big')))).toBe(sha256(big));
  });

  test("the hub's answer may take as long as it likes while something comes; silence is cut and asked again", async () => {
    let count = 0;
    hub.faults.api = (response) => {
      if (count++ === 0) return;
      hub.faults.api = undefined;
      const text = JSON.stringify({
        sha: COMMIT,
        siblings: [{ rfilename: 'big-Q4_0.gguf', size: big.length, lfs: { sha256: sha256(big), size: big.length } }],
      });
      const parts = text.match(/.{1,40}/g)!;
      response.writeHead(200);
      const timer = setInterval(() => {
        response.write(parts.shift()!);
        if (parts.length > 0) return;
        clearInterval(timer);
        response.end();
      }, 150);
    };
    const start = performance.now();
    const plan = await planPull(id('o/big'), { environment, ...quick, idleTimeoutMs: 500 });
    expect([plan.totalBytes, count]).toEqual([big.length, 2]);
    // Silence once, and then longer than silence may last.
    expect(performance.now() - start).toBeGreaterThan(1000);
  });

  test('a proxy of the environment is gone through, and NO_PROXY around it', async () => {
    const tunnelled: (string | undefined)[] = [];
    let open = 0;
    const proxy = createServer().on('connect', ({ url }, socket) => {
      tunnelled.push(url);
      open++;
      socket.on('close', () => open--);
      const through = connect(Number(new URL(hub.origin).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(through).pipe(socket);
      });
      socket.on('error', () => through.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const through = { ...environment, http_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
      const plan = await planPull(id('o/big'), { environment: through, ...quick });
      expect(tunnelled).toEqual([new URL(hub.origin).host]);
      await plan.close();
      await expect.poll(() => open).toBe(0);
      await planPull(id('o/big'), { environment: { ...through, no_proxy: '127.0.0.1' }, ...quick });
      expect(tunnelled).toHaveLength(1);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});

describe('refusals say what to do', () => {
  const refuse = (status: number, code?: string) => (response: ServerResponse) =>
    void response.writeHead(status, code === undefined ? {} : { 'x-error-code': code }).end();

  test.each([
    ['a gated model', refuse(401, 'GatedRepo'), /is gated.*Accept the terms at .*\/o\/big, then make a token.*HF_TOKEN/],
    ['one that is not there', refuse(401, 'RepoNotFound'), /no model o\/big that is open to you.*If it is private/],
    ['a status of no meaning', refuse(418), /status 418.*HF_ENDPOINT/],
    ['a page of HTML', (response: ServerResponse) => void response.writeHead(200).end('<html>'), /JSON/],
    ['an answer without files', (response: ServerResponse) => void response.writeHead(200).end('{"sha":"x"}'), /"siblings"/],
  ])('%s', async (_, api, message) => {
    hub.faults.api = api;
    const error = await errorOf(planPull(id('o/big'), { environment, ...quick }));
    expect(error.message).toMatch(message);
    expect(error instanceof InputError || error instanceof FormatError).toBe(true);
  });

  test('no server, at once, with what helps', async () => {
    const gone = await serveHub({});
    await gone.close();
    const nowhere = { ...environment, HF_ENDPOINT: gone.origin };
    const retries: unknown[] = [];
    const error = await errorOf(planPull(id('o/big'), { environment: nowhere, ...quick, onRetry: (retry) => retries.push(retry) }));
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(/the connection failed .*HF_ENDPOINT or a proxy/);
    expect(retries).toEqual([]);
  });

  test('names of files that lead out of the repository', async () => {
    hub.faults.told = (file) => ({ ...file, name: `../../${file.name}` });
    expect(await errorOf(planPull(id('o/big'), { environment, ...quick }))).toBeInstanceOf(Error);
    expect(existsSync(cache())).toBe(false);
  });

  test('an unknown revision, and a cache without a network', async () => {
    expect((await errorOf(planPull(id('o/big@nope'), { environment, ...quick }))).message).toMatch(/no revision nope/);
    const offline = { ...environment, HF_HUB_OFFLINE: '1' };
    expect((await errorOf(modelOfHub(id('o/big'), { environment: offline, ...quick }))).message).toMatch(
      /HF_HUB_OFFLINE.*ingot pull o\/big/,
    );
  });

  test('a disk that is too small, before anything comes', async () => {
    hub.faults.told = (file) => ({ ...file, size: file.name.endsWith('.gguf') ? 4e15 : file.size });
    const error = await errorOf(pull('o/big'));
    expect(error).toBeInstanceOf(CapacityError);
    expect(error.message).toMatch(/still takes 4000000\.00 GB.*ingot rm/);
    expect(hub.requests.filter(({ where }) => where === 'store')).toEqual([]);
  });
});

test('a token of the file that "hf auth login" writes is used', async () => {
  writeFileSync(join(home, 'token'), 'hf_file\n');
  await planPull(id('o/big'), { environment, ...quick });
  expect(hub.requests[0]!.authorization).toBe('Bearer hf_file');
});
