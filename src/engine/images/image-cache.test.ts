import { describe, expect, it, vi } from 'vitest';
import { imageFile } from '../../../test/image-fixtures.ts';
import { readImageSettings } from '../../image/image-settings.ts';
import { openImageDecoder } from '../../node/image-decoder.ts';
import { createImageCache } from './image-cache.ts';
import type { ImageLimits } from './image-cache.ts';
import { readSeen } from './image-content.ts';
import { imagePart } from './image-source.ts';
import type { ImageSource } from './image-source.ts';

const settings = readImageSettings({
  family: 'qwen-vl', patchSize: 16, mergeSize: 2, temporalPatchSize: 2, processor: { size: { shortest_edge: 1024, longest_edge: 65_536 } },
});
const decoder = openImageDecoder();
const cacheOf = (limits: ImageLimits = {}) => createImageCache({ ...limits, settings, decoder });
const content = (source: ImageSource) => readSeen(imagePart(source), 'image');

describe('the cache of images', () => {
  it('knows a picture by its pixels, in whatever file it came', async () => {
    const cache = cacheOf();
    const file = await cache.read(content(imageFile('rgb.png')), 'image');
    const pixels = await cache.read(content(await decoder.decode(imageFile('rgb.png'))), 'image');
    const other = await cache.read(content(imageFile('lossy.webp')), 'image');
    expect(pixels.pictures[0]!.key).toBe(file.pictures[0]!.key);
    expect(other.pictures[0]!.key).not.toBe(file.pictures[0]!.key);
    // Alpha is dropped: what is left are other pictures than those of the file without it, or the same.
    expect(cache.measure(content(imageFile('rgb.png')), 'image')).toMatchObject({ width: 29, height: 19, tokens: file.tokens });
  });

  it('gives what it has, decodes what comes twice at a time once, and counts', async () => {
    let decodes = 0;
    const counting = { decode: (...asked: Parameters<typeof decoder.decode>) => (decodes++, decoder.decode(...asked)) };
    const cache = createImageCache({ settings, decoder: counting });
    const png = content(imageFile('rgb.png'));
    const [a, b] = await Promise.all([cache.read(png, 'a'), cache.read({ ...png }, 'b')]);
    expect(a).toBe(b);
    expect(await cache.read(png, 'c')).toBe(a);
    expect(decodes).toBe(1);
    expect(cache.bytes).toBeGreaterThan(a.tokens * 32 * 32 * 3);
    const { patches } = a.pictures[0]!;
    expect(patches).toEqual(a.pictures[0]!.patches);
    expect(patches).not.toBe(a.pictures[0]!.patches);
  });

  it('decodes nothing that nobody waits for any more, and lets others run before', async () => {
    const decoded: string[] = [];
    const telling = { decode: (...[file, options]: Parameters<typeof decoder.decode>) => {
      decoded.push(options!.name!);
      return decoder.decode(file, options);
    } };
    const cache = createImageCache({ settings, decoder: telling });
    const [png, jpeg] = [content(imageFile('rgb.png')), content(imageFile('baseline.jpg'))];
    const [left, stays] = [new AbortController(), new AbortController()];
    setImmediate(() => left.abort(new Error('left')));
    const reads = [cache.read(png, 'a', left.signal), cache.read(jpeg, 'b', left.signal), cache.read(jpeg, 'c', stays.signal)];
    const [alone, first, second] = await Promise.allSettled(reads);
    expect([alone, first]).toMatchObject([{ reason: { message: 'left' } }, { reason: { message: 'left' } }]);
    expect(second).toMatchObject({ status: 'fulfilled', value: { width: 29, height: 19 } });
    expect(decoded).toEqual(['b']);
    // What was left is no failure of the image.
    expect(await cache.read(png, 'd')).toMatchObject({ width: 29, height: 19 });
  });

  it('hears no signal any more once an image is there, or has failed', async () => {
    const cache = cacheOf();
    const [left, other] = [new AbortController(), new AbortController()];
    const listeners = [left.signal, other.signal].map((signal) =>
      [vi.spyOn(signal, 'addEventListener'), vi.spyOn(signal, 'removeEventListener')] as const);
    const png = content(imageFile('rgb.png'));
    const [image] = await Promise.all([cache.read(png, 'a', left.signal), cache.read(png, 'b', other.signal)]);
    expect(await cache.read(png, 'c', left.signal)).toBe(image);
    await expect(cache.read(content(new Uint8Array([1, 2, 3])), 'bad', other.signal)).rejects.toThrow(/expected a PNG/);
    for (const [added, removed] of listeners) {
      expect(added).toHaveBeenCalled();
      expect(removed.mock.calls).toEqual(added.mock.calls.map(([name, listener]) => [name, listener]));
    }
    const { bytes } = cache;
    for (const one of [left, other]) one.abort(new Error('left'));
    expect(cache.bytes).toBe(bytes);
    expect(await cache.read(png, 'd')).toBe(image);
  });

  it('leaves the oldest out over its budget, and keeps no failures', async () => {
    const png = content(imageFile('rgb.png'));
    const jpeg = content(imageFile('baseline.jpg'));
    const one = cacheOf();
    await one.read(png, 'image');
    const cache = cacheOf({ cacheBytes: Math.ceil(one.bytes * 1.5) });
    const first = await cache.read(png, 'image');
    await cache.read(jpeg, 'image');
    expect(cache.bytes).toBeLessThanOrEqual(one.bytes * 1.5);
    expect(await cache.read(png, 'image')).not.toBe(first);
    const bad = content(new Uint8Array([1, 2, 3]));
    for (let i = 0; i < 2; i++) await expect(cache.read(bad, 'image')).rejects.toThrow(/expected a PNG/);
    expect(cacheOf({ cacheBytes: 0 }).bytes).toBe(0);
  });
});
