import { describe, expect, it } from 'vitest';
import type { Picture, VisionInfo, VisionTower } from '../models/vision.ts';
import type { ImageCache } from './images/image-cache.ts';
import { imagePart } from './images/image-source.ts';
import { seeMessages } from './images/see-messages.ts';
import { createPictures, placePictures, promptPictures } from './pictures.ts';
import type { TextSide } from './prompt.ts';

const info = {
  family: 'qwen-vl', patchSize: 1, mergeSize: 2, temporalPatchSize: 2, mostPatches: 64, imageToken: 7, processor: {}, mean: [], std: [],
} as const satisfies VisionInfo;
const tower = { info, hasAxes: false } as unknown as VisionTower;
const picture = (n: number): Picture => ({ rows: 2, columns: 2, patches: new Float32Array(4 * 6), key: `picture ${n}` });

describe('numbers of pictures', () => {
  it('are the same for the same picture, forgotten after many others, and never given twice', () => {
    const { idOf } = createPictures(tower, 100);
    const first = idOf(picture(0));
    expect(first).toBeLessThan(0);
    expect(idOf({ ...picture(0), rows: 4 })).not.toBe(first);
    const given = Array.from({ length: 99 }, (_, n) => idOf(picture(n)));
    expect(new Set(given).size).toBe(99);
    expect(given[0]).toBe(first);
    // Asked for again, so that others are forgotten before it.
    for (let n = 100; n < 180; n++) expect(idOf(picture(0))).not.toBe(idOf(picture(n)));
    expect(idOf(picture(0))).toBe(first);
    const again = idOf(picture(1));
    expect([first, ...given]).not.toContain(again);
  });

  it('has a bound without being told one', () => {
    const { idOf } = createPictures(tower);
    const first = idOf(picture(0));
    for (let n = 1; n <= 16_384; n++) idOf(picture(n));
    expect(idOf(picture(16_384))).toBe(first - 16_384);
    expect(idOf(picture(0))).toBe(first - 16_385);
  });

  it('stand for the pictures of a prompt that has more of them than are known', async () => {
    const pictures = createPictures(tower, 1);
    const three = [0, 1, 2].map(picture);
    const prompt = promptPictures(pictures, [...three, [5]]);
    expect(placePictures(pictures, prompt.ids, prompt.pictures).map((one) => one.picture)).toEqual(three);
    // Of messages: the template's places, and the images that a cache would read.
    const images = [0, 1, 2].map((n) => imagePart({ width: 1, height: 1, data: new Uint8Array([n, 0, 0, 255]) }));
    const cache = {
      async read({ url }: { readonly url: string }) {
        return { width: 1, height: 1, tokens: 1, pictures: [picture(images.findIndex((part) => JSON.stringify(part).includes(url)))] };
      },
    } as unknown as ImageCache;
    const text = { tokenizer: {}, encodeMessages: () => [7, 7, 7, 5] } as unknown as TextSide;
    const messages = [{ role: 'user', content: images }];
    const seen = await seeMessages({ vision: info, idOf: pictures.idOf, maxImages: 3, pixels: {}, cache }, text, messages);
    const ids = seen.encodeMessages!(messages, { tools: [], variables: {} });
    expect(placePictures(pictures, ids, seen.pictures!).map((one) => one.picture)).toEqual(three);
  });
});
