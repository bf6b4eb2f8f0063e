/** Where the pixels of an image go: sizes that are whole blocks of patches, and tiles. */
import { InputError } from '../tensor/errors.ts';
import type { Image } from './image.ts';
import type { ImageSettings, Lfm2ImageSettings } from './image-settings.ts';

/** Where the pixels of an image go. */
export interface ImageLayout {
  /** Of the image, or of the thumbnail. */
  readonly width: number;
  readonly height: number;
  readonly tiles?: { readonly rows: number; readonly columns: number } | undefined;
  /** Rows of embeddings that it becomes, tiles and all. */
  readonly tokens: number;
}

export interface PictureLimits {
  /** Most tokens of one image: a larger one is made smaller, as the family does it. Default: the family's own. */
  readonly maxTokens?: number | undefined;
  /** Names the image in messages, such as `messages[0].content[1]`. */
  readonly where?: string | undefined;
}

/** Python's: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest === 0.5 ? floor + (floor % 2) : Math.round(value);
}

const MOST_ASPECT = 200;

/** @throws InputError for an image far longer than wide, or wider than long */
export function checkAspect({ width, height }: Pick<Image, 'width' | 'height'>, where: string): void {
  if (Math.max(width, height) / Math.min(width, height) > MOST_ASPECT)
    throw new InputError(`${where}: ${width} x ${height} pixels are longer than ${MOST_ASPECT} times the other side: cut it first.`);
}

export type Size = Pick<Image, 'width' | 'height'>;

/**
 * Sides that are whole blocks, between the least and most tokens, of about the image's shape (transformers' `smart_resize`).
 * @throws InputError for an image far longer than wide, or wider than long
 */
export function smartResize(size: Size, settings: ImageSettings): Size {
  const block = settings.patchSize * settings.mergeSize;
  const [least, most] = [settings.minTokens * block * block, settings.maxTokens * block * block];
  // Qwen's may be none here: such an image is made larger below.
  const fewest = settings.family === 'lfm2-vl' ? block : 0;
  const near = (side: number) => Math.max(fewest, roundHalfEven(side / block) * block);
  const pixels = near(size.width) * near(size.height);
  if (pixels > most) {
    const shrink = Math.sqrt((size.width * size.height) / most);
    const side = (own: number) => Math.max(block, Math.floor(own / shrink / block) * block);
    return withinTokens({ width: side(size.width), height: side(size.height) }, block, settings.maxTokens);
  }
  if (pixels < least) {
    const grow = Math.sqrt(least / (size.width * size.height));
    const side = (own: number) => Math.ceil((own * grow) / block) * block;
    return withinTokens({ width: side(size.width), height: side(size.height) }, block, settings.maxTokens);
  }
  return { width: near(size.width), height: near(size.height) };
}

/**
 * Sides of whole blocks, the longer one made shorter until no more tokens than `most` are left, or one: `smart_resize` rounds the sides of
 * an image that it makes larger up, and leaves a long image a block of width. At a family's own limits neither goes over them.
 */
export function withinTokens({ width, height }: Size, block: number, most: number): Size {
  let [columns, rows] = [width / block, height / block];
  while (columns * rows > most && Math.max(columns, rows) > 1) {
    if (columns >= rows) columns--;
    else rows--;
  }
  return { width: columns * block, height: rows * block };
}

/** Tiles of the shape nearest to the image's; of two equally near the later one where the image has more than half its pixels. */
function tileGrid({ width, height }: Size, { minTiles, maxTiles, tileSize }: Lfm2ImageSettings): { rows: number; columns: number } {
  const grids: { rows: number; columns: number }[] = [];
  for (let columns = 1; columns <= maxTiles; columns++) {
    for (let rows = Math.ceil(minTiles / columns); rows * columns <= maxTiles; rows++) grids.push({ rows, columns });
  }
  grids.sort((a, b) => a.rows * a.columns - b.rows * b.columns);
  let best = { rows: 1, columns: 1 };
  let bestDifference = Infinity;
  for (const grid of grids) {
    const difference = Math.abs(width / height - grid.columns / grid.rows);
    const isLarger = width * height > 0.5 * tileSize * tileSize * grid.rows * grid.columns;
    if (difference < bestDifference || (difference === bestDifference && isLarger)) best = grid;
    bestDifference = Math.min(bestDifference, difference);
  }
  return best;
}

function isLarge({ width, height }: Size, { patchSize, mergeSize, maxTokens, tolerance }: Lfm2ImageSettings): boolean {
  const block = patchSize * mergeSize;
  const near = (side: number) => Math.max(patchSize, roundHalfEven(side / block) * block);
  return near(width) * near(height) > maxTokens * block * block * tolerance;
}

function limited<Settings extends ImageSettings>(settings: Settings, { maxTokens }: PictureLimits): Settings {
  if (maxTokens === undefined) return settings;
  const most = Math.min(settings.maxTokens, maxTokens);
  return { ...settings, maxTokens: most, minTokens: Math.min(settings.minTokens, most) };
}

/**
 * How an image of a size is laid out, without its pixels: so its tokens are known before anything is computed.
 * @throws InputError for an image far longer than wide, or wider than long
 */
export function layoutImage(size: Size, settings: ImageSettings, limits: PictureLimits = {}): ImageLayout {
  const { maxTokens, where = 'image' } = limits;
  checkAspect(size, where);
  const own = limited(settings, { maxTokens });
  const whole = smartResize(size, own);
  const block = own.patchSize * own.mergeSize;
  const wholeTokens = (whole.width / block) * (whole.height / block);
  if (own.family === 'qwen-vl' || !own.splits || (own.minTiles === 1 && own.maxTiles === 1) || !isLarge(size, own))
    return { ...whole, tokens: wholeTokens };
  const tiles = tileGrid(size, own);
  const count = tiles.rows * tiles.columns;
  const tokens = count * (own.tileSize / block) ** 2 + (own.hasThumbnail && count > 1 ? wholeTokens : 0);
  // Whoever limits an image to fewer tokens than its tiles have gets it whole.
  if (maxTokens !== undefined && tokens > maxTokens) return { ...whole, tokens: wholeTokens };
  return { ...whole, tiles, tokens };
}
