/** From an image to what a tower reads: resized, cut into tiles, normalised, in patches of the family's order. */
import { checkImage } from './image.ts';
import type { Image } from './image.ts';
import type { ImageSettings } from './image-settings.ts';
import { layoutImage } from './layout-image.ts';
import type { PictureLimits } from './layout-image.ts';
import { mergeBlockPatches, rasterPatches } from './patches.ts';
import type { PatchGrid } from './patches.ts';
import { resizeImage, rgbOf } from './resize-image.ts';
import type { Rgb } from './resize-image.ts';

export interface PreparedImage {
  /** Tiles row by row, then the thumbnail of all; one where the image is not cut. */
  readonly pictures: readonly PatchGrid[];
  /** Where it is cut. */
  readonly tiles?: { readonly rows: number; readonly columns: number } | undefined;
}

/**
 * The pictures of one image, as transformers' processor of the family makes them.
 * @throws InputError for what is no image, or one far longer than wide
 */
export function preparePictures(image: Image, settings: ImageSettings, limits: PictureLimits = {}): PreparedImage {
  const layout = layoutImage(checkImage(image, limits.where), settings, limits);
  const rgb = rgbOf(image);
  const { filter } = settings;
  const whole = () => patchesOf(resizeImage(rgb, { width: layout.width, height: layout.height, filter }), settings);
  if (settings.family === 'qwen-vl' || layout.tiles === undefined) return { pictures: [whole()] };
  const { tileSize, hasThumbnail } = settings;
  const { rows, columns } = layout.tiles;
  const enlarged = resizeImage(rgb, { width: tileSize * columns, height: tileSize * rows, filter });
  const pictures: PatchGrid[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) pictures.push(patchesOf(cut(enlarged, { row, column, size: tileSize }), settings));
  }
  if (hasThumbnail && rows * columns > 1) pictures.push(whole());
  return { pictures, tiles: rows * columns > 1 ? layout.tiles : undefined };
}

function patchesOf(rgb: Rgb, settings: ImageSettings): PatchGrid {
  return settings.family === 'qwen-vl'
    ? mergeBlockPatches(Array<Rgb>(settings.temporalPatchSize).fill(rgb), settings)
    : rasterPatches(rgb, settings);
}

function cut({ width, data }: Rgb, { row, column, size }: { row: number; column: number; size: number }): Rgb {
  const tile = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    const from = ((row * size + y) * width + column * size) * 3;
    tile.set(data.subarray(from, from + size * 3), y * size * 3);
  }
  return { width: size, height: size, data: tile };
}
