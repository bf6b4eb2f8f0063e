import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fakeStorage } from '../../test/browser/fake-storage.ts';
import { readRecords } from './cache/model-records.ts';
import { openCacheFolder } from './cache/cache-folder.ts';
import type { CacheFolder } from './cache/cache-folder.ts';
import { openSource } from './open-source.ts';
import type { ModelSource, OpenSourceOptions } from './open-source.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const fileOf = (name: string) => Object.defineProperty(new File([name], name), 'webkitRelativePath', { value: '' });
const filesOf = (...names: readonly string[]) => names.map(fileOf) as unknown as ModelSource;
const open = (source: ModelSource, options: Partial<OpenSourceOptions> = {}) =>
  openSource(source, { baseUrl: 'https://page.test/', wait: async () => {}, ...options });
const meant = async (source: ModelSource, options?: Partial<OpenSourceOptions>) => {
  const { fileName, projector } = (await open(source, options)).location;
  return [fileName, projector?.fileName, projector?.isNamed];
};

afterEach(() => vi.unstubAllGlobals());

describe('files that are dropped together', () => {
  beforeEach(() => void vi.stubGlobal('navigator', fakeStorage().navigator));
  const PARTS = ['m-00002-of-00002.gguf', 'm-00001-of-00002.gguf'];
  test.each([
    ['parts of one model', PARTS, ['m-00001-of-00002.gguf', undefined]],
    ['a model and its tower', ['mmproj-m-f16.gguf', 'm.gguf'], ['m.gguf', 'mmproj-m-f16.gguf']],
    ['parts, and towers of which one is of f16', ['mmproj-BF16.gguf', 'mmproj-F16.gguf', ...PARTS], [PARTS[1], 'mmproj-F16.gguf']],
    ['a folder of safetensors', ['config.json', 'model.safetensors', 'x.gguf'], [undefined, undefined]],
  ])('%s', async (_, names, [model, projector]) => {
    expect(await meant(filesOf(...names))).toEqual([model, projector, projector && false]);
    const { root } = fakeStorage();
    for (const name of names) await root.getFileHandle(name, { create: true });
    expect(await meant(root)).toEqual([model, projector, projector && false]);
  });

  test('several models, and none, are refused', async () => {
    await expect(open(filesOf('a.gguf', 'b.gguf', 'mmproj-a.gguf'))).rejects.toThrow('there are 2 GGUF models (a.gguf, b.gguf)');
    await expect(open(filesOf('mmproj-a.gguf', 'notes.txt'))).rejects.toThrow('there is no model');
    await expect(open([] as unknown as ModelSource)).rejects.toThrow('found an array');
  });

  test('mmproj names the tower', async () => {
    const named = await open(filesOf('m.gguf', 'mmproj-m.gguf'), { mmproj: fileOf('other.gguf') });
    expect(named.location.projector).toMatchObject({ fileName: 'other.gguf', isNamed: true });
    const source = (await named.location.projector!.folder.open('other.gguf'))!;
    const bytes = new Uint8Array(source.sizeBytes);
    await source.read(0, bytes);
    expect(bytes).toEqual(bytesOf('other.gguf'));
    expect(await meant(fileOf('m.gguf'), { mmproj: './t.gguf', cache: 'none' })).toEqual(['m.gguf', 't.gguf', true]);
    for (const mmproj of ['./folder', 7 as never]) await expect(meant(fileOf('m.gguf'), { mmproj })).rejects.toThrow(/^mmproj must be/);
  });
});

/** A hub with one repository, which answers as a server that gives ranges does. */
describe('models of the hub', () => {
  const FILES: Record<string, Uint8Array> = { 'm-Q8_0.gguf': bytesOf('the model'), 'mmproj-F16.gguf': bytesOf('its tower') };
  const asked: (readonly [string, string | null])[] = [];
  let refusal: Response | undefined;

  async function answer(url: URL, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    asked.push([url.host + url.pathname, headers.get('authorization')]);
    if (refusal !== undefined) return refusal;
    if (url.pathname.startsWith('/api/')) {
      const siblings = Object.entries(FILES).map(async ([rfilename, bytes]) => {
        const sha256 = Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
        return { rfilename, size: bytes.length, lfs: { sha256, size: bytes.length } };
      });
      return Response.json({ sha: '0'.repeat(40), siblings: await Promise.all(siblings) });
    }
    const bytes = FILES[url.pathname.split('/').at(-1)!];
    if (bytes === undefined) return new Response(null, { status: 404 });
    const [, start = '0', end = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.get('range') ?? '') ?? [];
    const last = end === '' ? bytes.length - 1 : Math.min(Number(end), bytes.length - 1);
    const part = bytes.slice(Number(start), last + 1);
    const range = { 'content-range': `bytes ${start}-${last}/${bytes.length}`, 'content-length': String(part.length), etag: '"1"' };
    return new Response(part, { status: 206, headers: range });
  }

  beforeEach(() => {
    asked.length = 0;
    refusal = undefined;
    vi.stubGlobal('navigator', fakeStorage().navigator);
    vi.stubGlobal('fetch', answer);
  });

  test.each(['keep', 'none'] as const)('the tower comes with the model: cache %s', async (cache) => {
    const { location } = await open('o/m', { cache });
    expect(location).toMatchObject({ fileName: 'm-Q8_0.gguf', projector: { fileName: 'mmproj-F16.gguf', isNamed: false } });
    const source = (await location.projector!.folder.open('mmproj-F16.gguf'))!;
    const bytes = new Uint8Array(source.sizeBytes);
    await source.read(0, bytes);
    expect(bytes).toEqual(FILES['mmproj-F16.gguf']);
    if (cache === 'none') return;
    asked.length = 0;
    expect(await meant('o/m')).toEqual(['m-Q8_0.gguf', 'mmproj-F16.gguf', false]);
    expect(asked).toEqual([]);
    const [record] = await readRecords((await openCacheFolder()) as CacheFolder);
    expect(record!.files).toHaveLength(2);
  });

  test.each(['keep', 'none'] as const)('a URL of the hub has its token, one of another host has not: cache %s', async (cache) => {
    for (const [host, authorization] of [
      ['huggingface.co', 'Bearer hf_x'],
      ['other.test', null],
    ] as const) {
      asked.length = 0;
      const url = `https://${host}/o/m/resolve/main/m-Q8_0.gguf`;
      const { location } = await open(url, { cache, hub: { token: 'hf_x' } });
      expect((await location.folder.open(location.fileName!))!.sizeBytes).toBe(9);
      expect(new Set(asked.map(([, sent]) => sent))).toEqual(new Set([authorization]));
    }
  });

  test('what a page does about a refusal', async () => {
    refusal = new Response(null, { status: 401, headers: { 'x-error-code': 'GatedRepo' } });
    await expect(open('o/m')).rejects.toThrow(/o\/m is gated.*then make a token on the hub .* and pass it as hub\.token\.$/);
    refusal = new Response(null, { status: 418 });
    await expect(open('o/m')).rejects.toThrow(/Check the id and hub\.endpoint\.$/);
  });
});
