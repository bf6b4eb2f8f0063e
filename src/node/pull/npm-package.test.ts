/** Packages from a registry on this machine, by npm itself, and from a folder. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { serveHttp } from '../../../test/http-server.ts';
import type { TestServer } from '../../../test/http-server.ts';
import { packed } from '../../../test/packed-moonshine.ts';
import { CapacityError, FormatError, InputError } from '../../tensor/errors.ts';
import { npmPackage, packedName } from './npm-package.ts';
import type { NpmPackage } from './npm-package.ts';
import { pullModel, pulledModelPath } from './pull-model.ts';
import { tarEntries } from './tar-entries.ts';

const NAME = '@ingot-test/thing';
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const archive = packed(new Map([
  ['package/package.json', text(JSON.stringify({ name: NAME, version: '1.0.0' }))], ['package/a.txt', text('one')],
  ['package/long/'.padEnd(80, 'x'), text('y'.repeat(3000))], ['package/b.txt', text('two')],
]));
const wanted: NpmPackage = {
  name: NAME, version: '1.0.0', sizeBytes: archive.length, integrity: `sha512-${createHash('sha512').update(archive).digest('base64')}`,
};

describe('packages of npm', () => {
  let npmServer: TestServer;
  let folder: string;
  /** What the registry answers instead of the packed file. */
  let answer: (() => Uint8Array | undefined) | undefined;
  beforeAll(async () => {
    npmServer = await serveHttp((request, response) => {
      if (request.url?.endsWith('.tgz')) {
        const bytes = answer === undefined ? archive : answer();
        if (bytes !== undefined) response.end(bytes);
        return;
      }
      if (decodeURIComponent(request.url ?? '') !== `/${NAME}`) return void response.writeHead(404).end('{"error":"not found"}');
      const dist = { tarball: `${npmServer.origin}/${NAME}/-/thing-1.0.0.tgz` };
      response.setHeader('content-type', 'application/json');
      const versions = { '1.0.0': { name: NAME, version: '1.0.0', dist } };
      response.end(JSON.stringify({ name: NAME, 'dist-tags': { latest: '1.0.0' }, versions }));
    });
    vi.stubEnv('npm_config_registry', npmServer.origin);
    vi.stubEnv('npm_config_fetch_retries', '0');
  });
  afterEach(() => {
    answer = undefined;
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await npmServer.close();
  });
  const emptyFolder = (): string => (folder = mkdtempSync(join(tmpdir(), 'ingot-npm-')));

  it('are fetched by npm, checked, and read', async () => {
    const told: number[] = [];
    const path = await npmPackage(wanted, { folder: emptyFolder(), onBytes: (bytes) => void told.push(bytes) });
    expect(told.at(-1)).toBe(archive.length);
    const files = await tarEntries(path, { names: ['package/a.txt', 'package/b.txt'], mostBytes: 100 });
    expect([...files].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)])).toEqual([
      ['package/a.txt', 'one'], ['package/b.txt', 'two'],
    ]);
  });

  it('with other contents are refused', async () => {
    answer = () => packed(new Map([['package/a.txt', text('other')]]));
    await expect(npmPackage(wanted, { folder: emptyFolder() })).rejects.toThrow(FormatError);
  });

  it('that cannot be fetched say what to do by hand', async () => {
    const missing = { ...wanted, name: '@ingot-test/missing' };
    const failure = npmPackage(missing, { folder: emptyFolder() });
    await expect(failure).rejects.toThrow(CapacityError);
    await expect(failure).rejects.toThrow(/404.*run "npm pack @ingot-test\/missing@1\.0\.0"/s);
  });

  it('stop coming when told to', async () => {
    const controller = new AbortController();
    answer = () => void controller.abort(new Error('enough')) as undefined;
    await expect(npmPackage(wanted, { folder: emptyFolder(), signal: controller.signal })).rejects.toThrow('enough');
  });

  it('are taken from a folder where one is named', async () => {
    const from = emptyFolder();
    await expect(npmPackage(wanted, { folder: from, from })).rejects.toThrow(InputError);
    writeFileSync(join(from, packedName(wanted)), archive);
    expect(await npmPackage(wanted, { folder: from, from })).toBe(join(from, 'ingot-test-thing-1.0.0.tgz'));
    writeFileSync(join(from, packedName(wanted)), archive.subarray(0, 100));
    await expect(npmPackage(wanted, { folder: from, from })).rejects.toThrow('expected @ingot-test/thing 1.0.0 with the digest');
  });

  it.each([
    ['no archive', text('hello'), 'no gzip archive'], ['half an archive', archive.subarray(0, archive.length - 40), /damaged/],
    ['no such file', archive, 'holds no package/c.txt'],
    ['too large a file', packed(new Map([['package/c.txt', text('x'.repeat(200))]])), 'more than'],
  ])('%s is told', async (_name, bytes, message) => {
    const path = join(emptyFolder(), 'x.tgz');
    writeFileSync(path, bytes);
    await expect(tarEntries(path, { names: ['package/c.txt'], mostBytes: 100 })).rejects.toThrow(message);
  });

  it('nothing is left of a pull that fails, and a lock of a process that is gone counts as none', async () => {
    const home = emptyFolder();
    await expect(pullModel('moonshine', { home })).rejects.toThrow('Known: moonshine-tiny-en');
    const path = pulledModelPath('moonshine-tiny-en', home);
    mkdirSync(join(home, 'models'));
    // The largest number of a process is less.
    writeFileSync(`${path}.lock`, `99999999 ${hostname()}`);
    writeFileSync(`${path}.1-a.part`, 'half');
    await expect(pullModel('moonshine-tiny-en', { home, from: home })).rejects.toThrow('holds no usefulsensors-moonshine-js-0.1.21.tgz');
    expect(readdirSync(join(home, 'models'))).toEqual([]);
    writeFileSync(path, 'there');
    expect(await pullModel('moonshine-tiny-en', { home })).toBe(path);
  });

  it('waits for another process that gets the same', async () => {
    const home = emptyFolder();
    const path = pulledModelPath('moonshine-tiny-en', home);
    mkdirSync(join(home, 'models'));
    writeFileSync(`${path}.lock`, String(process.ppid));
    const notes: string[] = [];
    const pulled = pullModel('moonshine-tiny-en', { home, onProgress: ({ note }) => void (note !== undefined && notes.push(note)) });
    await vi.waitFor(() => expect(notes).toEqual([`process ${process.ppid} is getting it: waiting`]));
    writeFileSync(path, 'made by it');
    rmSync(`${path}.lock`);
    expect(await pulled).toBe(path);
    const controller = new AbortController();
    writeFileSync(`${path}.lock`, String(process.ppid));
    const stopped = pullModel('moonshine-tiny-en', { home, force: true, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
  });
});
