import { expect, it } from 'vitest';
import { imageFile } from '../../../test/image-fixtures.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { CapacityError, FormatError, InputError } from '../../tensor/errors.ts';
import type { TextSide } from '../prompt.ts';
import { imagePart, videoPart } from './image-source.ts';
import { measureMessages, seeMessages } from './see-messages.ts';
import type { Seeing } from './see-messages.ts';

const SEEN = { width: 1, height: 1, tokens: 1, pictures: [] };

/** What sees anything as nothing, and says what it was asked to read. */
function seeing(options: Partial<Pick<Seeing, 'pixels' | 'maxImages'>> & { readonly fails?: Error } = {}) {
  const read: string[] = [];
  const cache = {
    bytes: 0, measure: () => SEEN,
    read: async (_content: unknown, where: string) => {
      read.push(where);
      if (options.fails !== undefined) throw options.fails;
      return SEEN;
    },
  };
  const able = { pixels: {}, ...options, cache } as unknown as Seeing;
  const see = async (...content: readonly JsonObject[]) => seeMessages(able, {} as TextSide, [{ role: 'user', content }]);
  const count = (...content: readonly JsonObject[]) => measureMessages(able, {} as TextSide, [{ role: 'user', content }]);
  return { read, see, count };
}

/** A PNG of 7,000 x 7,000 pixels, as far as its header says. */
function huge(): JsonObject {
  const file = imageFile('rgb.png');
  new DataView(file.buffer).setUint32(16, 7000);
  new DataView(file.buffer).setUint32(20, 7000);
  return imagePart(file);
}

const part = (name = 'rgb.png') => imagePart(imageFile(name));

it('images of too many pixels together are refused before one of them is read', async () => {
  const { read, see } = seeing();
  await see(huge(), huge(), huge(), huge());
  expect(read).toHaveLength(4);
  const failure: unknown = await see(huge(), huge(), huge(), huge(), huge()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(InputError);
  expect((failure as Error).message).toMatch(/^messages\[0\]\.content\[4\]: .* has 245000000 pixels, and at most 200000000 are taken/);
  expect(read).toHaveLength(4);
});

it('limits of the caller are obeyed, frames of a video counted', async () => {
  const { read, see, count } = seeing({ pixels: { maxPixels: 600, maxTotalPixels: 1200 } });
  await see(part(), part('turned.png'));
  const frames = [0, 1, 2].map(() => imageFile('rgb.png'));
  await expect(see(videoPart({ frames, times: [0, 1, 2] }))).rejects.toThrow(/frame 2: with this image .* 1653 pixels, and at most 1200/);
  await expect(see(huge())).rejects.toThrow(/7000 x 7000 pixels, and at most 600 are taken/);
  expect(read).toHaveLength(2);
  // Tokens are not counted of what is not seen.
  expect(() => count(huge())).toThrow(/at most 600 are taken/);
});

it('a damaged file is the caller’s fault, a machine without a decoder or memory is not', async () => {
  await expect(seeing({ fails: new FormatError('damaged') }).see(part())).rejects.toBeInstanceOf(InputError);
  const broken = new CapacityError('the installation is damaged');
  await expect(seeing({ fails: broken }).see(part())).rejects.toBe(broken);
});
