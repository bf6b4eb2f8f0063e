/** Beside PIL, torch and transformers (scripts/fixtures/images.py) and ../shared/golden/qwen_image. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { f32Of, hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { bytesOf, imageExpectations, opaque } from '../../test/image-fixtures.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { checkImage } from './image.ts';
import type { Image } from './image.ts';
import { readImageSettings } from './image-settings.ts';
import type { Lfm2ImageSettings, QwenImageSettings, TowerImages } from './image-settings.ts';
import { layoutImage } from './layout-image.ts';
import { preparePictures } from './prepare-pictures.ts';
import { layoutVideo, prepareVideo } from './prepare-video.ts';
import { resizeImage } from './resize-image.ts';

const { resize, lfm2, video } = imageExpectations;
const QWEN: TowerImages = { family: 'qwen-vl', patchSize: 16, mergeSize: 2, temporalPatchSize: 2, processor: {} };
const LFM2: TowerImages = { family: 'lfm2-vl', patchSize: 16, mergeSize: 2, temporalPatchSize: 1, processor: {} };

function blank(width: number, height: number): Image {
  return { width, height, data: new Uint8Array(width * height * 4) };
}

/** What a normalised value was, of a mean and a deviation of a half. */
function toBytes(patches: Float32Array): Uint8Array {
  return Uint8Array.from(patches, (value) => Math.round((value * 0.5 + 0.5) * 255));
}

function largestStep(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
}

describe('resizeImage', () => {
  const source = { width: resize.width, height: resize.height, data: bytesOf(resize.source) };

  it.each(resize.cases)('$filter to $width x $height has the bytes of PIL', ({ width, height, filter, rgb }) => {
    expect(Buffer.from(resizeImage(source, { width, height, filter }).data).equals(bytesOf(rgb))).toBe(true);
  });
});

describe('LFM2-VL', () => {
  it('lays images of all sizes out as transformers does', () => {
    const settings = readImageSettings(LFM2);
    expect(lfm2.layouts.length).toBeGreaterThan(80);
    for (const { w, h, width, height, rows, columns } of lfm2.layouts) {
      const layout = layoutImage({ width: w, height: h }, settings);
      expect(layout, `${w} x ${h}`).toMatchObject({ width, height });
      expect(layout.tiles, `${w} x ${h}`).toEqual(rows === undefined ? undefined : { rows, columns });
      expect(layout.tokens).toBe((width / 32) * (height / 32) + (rows ?? 0) * (columns ?? 0) * 256);
    }
  });

  it.each(lfm2.cases)('$w x $h: pictures within a step of torch', ({ w, h, source, settings: own, tiles, pictures }) => {
    const processor = { ...own, encoder_patch_size: own['encoder_patch_size'] as number } as JsonObject;
    const settings = readImageSettings({ ...LFM2, patchSize: 8, processor }) as Lfm2ImageSettings;
    const image = opaque({ width: w, height: h }, bytesOf(source));
    const prepared = preparePictures(image, settings);
    expect(prepared.tiles).toEqual(tiles[0] * tiles[1] === 1 ? undefined : { rows: tiles[0], columns: tiles[1] });
    expect(prepared.pictures.map(({ rows, columns }) => [rows, columns])).toEqual(pictures.map(({ rows, columns }) => [rows, columns]));
    prepared.pictures.forEach(({ patches }, i) =>
      expect(largestStep(toBytes(patches), bytesOf(pictures[i]!.bytes))).toBeLessThanOrEqual(1));
    const tokens = prepared.pictures.reduce((sum, { rows, columns }) => sum + (rows * columns) / 4, 0);
    expect(layoutImage(image, settings).tokens).toBe(tokens);
  });

  it('makes an image whole where its tiles have more tokens than are allowed', () => {
    const layout = layoutImage({ width: 2048, height: 1536 }, readImageSettings(LFM2), { maxTokens: 100 });
    expect(layout.tiles).toBeUndefined();
    expect(layout.tokens).toBeLessThanOrEqual(100);
  });
});

describe('a limit of tokens', () => {
  const sizes = [[100, 50], [2000, 10], [10, 2000], [33, 31], [1, 1], [199, 1], [640, 480], [3000, 15]] as const;

  it.each([LFM2, QWEN])('is held for images of any shape: $family', (tower) => {
    const settings = readImageSettings(tower);
    for (const [width, height] of sizes) {
      for (const maxTokens of [1, 2, 3, 5, 63, 64]) {
        const layout = layoutImage({ width, height }, settings, { maxTokens });
        expect(layout.tokens, `${width} x ${height}, ${maxTokens}`).toBeLessThanOrEqual(maxTokens);
        expect(layout.tokens).toBe((layout.width / 32) * (layout.height / 32));
        expect(layout.tokens).toBeGreaterThanOrEqual(1);
      }
    }
    // Transformers' 12 x 6 blocks, of which the longer side gives way.
    const wide = layoutImage({ width: 100, height: 50 }, settings, { maxTokens: 64 });
    if (tower === LFM2) expect(wide).toMatchObject({ width: 320, height: 192 });
  });

  it('is held for videos, whose pictures have a token at least', () => {
    const settings = readImageSettings(QWEN) as QwenImageSettings;
    for (const [width, height] of sizes) {
      for (const count of [1, 2, 5, 16]) {
        for (const maxTokens of [1, 8, 20, 64]) {
          const { tokens } = layoutVideo({ width, height, count }, settings, { maxTokens });
          expect(tokens, `${count} of ${width} x ${height}, ${maxTokens}`).toBeLessThanOrEqual(Math.max(maxTokens, Math.ceil(count / 2)));
        }
      }
    }
  });
});

const hasGolden = hasShared('golden/qwen_image/golden.safetensors');

describe.skipIf(!hasGolden)('Qwen-VL, beside the golden of transformers', () => {
  const golden = hasGolden ? readFixtureTensors(`${sharedPath}/golden/qwen_image/golden.safetensors`) : new Map();
  const processor = hasGolden
    ? (JSON.parse(readFileSync(`${sharedPath}/golden/qwen_image/golden.json`, 'utf8')) as { settings: JsonObject }).settings
    : {};

  it.each(['near', 'small', 'large'])('%s: the patches of its processor', (name) => {
    const { shape: [height, width], bytes } = golden.get(`${name}.image`);
    const expected = f32Of(golden, `${name}.pixel_values`);
    const { pictures: [picture] } = preparePictures(opaque({ width, height }, bytes), readImageSettings({ ...QWEN, processor }));
    const [, rows, columns] = Array.from(new Int32Array(golden.get(`${name}.image_grid_thw`).bytes.slice().buffer));
    expect(picture).toMatchObject({ rows: rows!, columns: columns! });
    const worst = picture!.patches.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
    expect(picture!.patches.length).toBe(expected.length);
    expect(worst).toBeLessThan(1e-6);
  });
});

describe('videos', () => {
  it('have frames side by side in a picture, as transformers has them', () => {
    const [times, rows, columns] = video.grid;
    const bytes = bytesOf(video.source);
    const frameBytes = video.width * video.height * 3;
    const frames = Array.from({ length: 5 }, (_, i) => opaque(video, bytes.subarray(i * frameBytes, (i + 1) * frameBytes)));
    // Its size of 64 x 48 for frames of 40 x 28, where it rounds to these tokens.
    const settings = readImageSettings({ ...QWEN, patchSize: 8 }) as QwenImageSettings;
    const prepared = prepareVideo({ frames, times: [0, 0.5, 1, 1.5, 2] }, settings, { ofFamily: { min: 18, max: 18 } });
    expect(prepared.times).toEqual([0.25, 1.25, 2]);
    expect(prepared.pictures).toHaveLength(times);
    for (const picture of prepared.pictures) expect([picture.rows, picture.columns]).toEqual([rows, columns]);
    const expected = bytesOf(video.bytes);
    prepared.pictures.forEach(({ patches }, i) =>
      expect(largestStep(toBytes(patches), expected.subarray(i * patches.length, (i + 1) * patches.length))).toBeLessThanOrEqual(1));
  });

  it('of all sizes and lengths are laid out as transformers does', () => {
    const settings = readImageSettings(QWEN) as QwenImageSettings;
    for (const { frames, w, h, size } of video.layouts) {
      const { width, height } = layoutVideo({ width: w, height: h, count: frames }, settings);
      expect([width, height], `${frames} of ${w} x ${h}`).toEqual(size);
    }
  });

  it.each([
    [{ frames: [], times: [] }, /video: it has no frames/],
    [{ frames: [blank(8, 8)], times: [] }, /1 frames need as many times, found 0/],
    [{ frames: [blank(8, 8), blank(8, 9)], times: [0, 1] }, /frame 1 has 8 x 9 pixels, the first 8 x 8/],
    [{ frames: [blank(8, 8), blank(8, 8)], times: [1, 0] }, /times must be seconds that rise, found 0 for frame 1/],
    [{ frames: [blank(8, 8), blank(8, 8)], times: [0, NaN] }, /found NaN for frame 1/],
  ])('refused: %#', (frames, message) => {
    expect(() => prepareVideo(frames, readImageSettings(QWEN) as QwenImageSettings)).toThrow(message);
  });
});

describe('bad pixels and settings', () => {
  it.each([
    ['no width', { width: 0, height: 1, data: new Uint8Array(0) }, /image: width must be a positive number of pixels, found 0/],
    ['half a pixel', { width: 1.5, height: 1, data: new Uint8Array(4) }, /width must be a positive/],
    ['too few bytes', { width: 2, height: 2, data: new Uint8Array(12) }, /2 x 2 pixels have 16 bytes .* found 12/],
    ['NaN', { width: 1, height: 1, data: new Float32Array([0, NaN, 0, 1]) as unknown as Uint8Array }, /a Float32Array with NaN at index 1/],
    ['an array', { width: 1, height: 1, data: [1, 2, 3, 256] as unknown as Uint8Array }, /found an array with 256 at index 3/],
    ['nothing', undefined as unknown as Image, /width must be a positive/],
  ])('%s', (_name, image, message) => {
    expect(() => checkImage(image)).toThrow(InputError);
    expect(() => checkImage(image)).toThrow(message);
  });

  it.each([QWEN, LFM2])('an image of 1 x 20,000 pixels is refused for $family', (tower) => {
    expect(() => preparePictures(blank(1, 20_000), readImageSettings(tower), { where: 'messages[0].content[1]' }))
      .toThrow(/messages\[0\]\.content\[1\]: 1 x 20000 pixels are longer than 200 times the other side/);
  });

  it.each([
    [{ patch_size: 14 }, /patch_size must be 16, as the model's tower has it, found 14/],
    [{ do_normalize: false }, /do_normalize must be true/],
    [{ resample: 1 }, /resample must be 2 \(bilinear\) or 3 \(bicubic\), found 1/],
    [{ image_std: [0.5, 0, 0.5] }, /image_std must be three numbers/],
    [{ size: { shortest_edge: 9, longest_edge: 8 } }, /size must be a shortest_edge/],
  ] as const)('settings %j', (processor, message) => {
    expect(() => readImageSettings({ ...QWEN, processor: processor as unknown as JsonObject })).toThrow(FormatError);
    expect(() => readImageSettings({ ...QWEN, processor: processor as unknown as JsonObject })).toThrow(message);
  });
});
