/** Images as a tower takes them, those used last kept within a budget: decoding and resizing take longer than a step of the model. */
import { readImageHeader } from '../../image/image-header.ts';
import type { ImageDecoder } from '../../image/image-decoder.ts';
import { MOST_PIXELS } from '../../image/image-decoder.ts';
import type { Image } from '../../image/image.ts';
import type { ImageSettings } from '../../image/image-settings.ts';
import { layoutImage } from '../../image/layout-image.ts';
import type { ImageLayout, Size } from '../../image/layout-image.ts';
import type { PatchGrid } from '../../image/patches.ts';
import { preparePictures } from '../../image/prepare-pictures.ts';
import { checkFrames, layoutVideo, pictureTimes, prepareVideo } from '../../image/prepare-video.ts';
import type { Picture } from '../../models/vision.ts';
import { InputError } from '../../tensor/errors.ts';
import { hexOf } from '../../tensor/hex-of.ts';
import { joinBytes } from '../../tensor/join-bytes.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { yieldToEventLoop } from '../event-loop.ts';
import type { SeenContent } from './image-content.ts';
import type { PixelLimits } from './image-pixels.ts';
import { readDataUrl } from './image-source.ts';

/** How images are read. */
export interface ImageLimits extends PixelLimits {
  /** Bytes of images that are kept as the tower takes them, and of the URLs that they came by. Default 256 MB. */
  readonly cacheBytes?: number | undefined;
  /** Most tokens of an image: larger ones are made smaller. Default: what the family has, and the model was loaded for. */
  readonly maxTokens?: number | undefined;
  /** Most images of a conversation, each frame of a video counted. Default 64. */
  readonly maxImages?: number | undefined;
}

export const DEFAULT_IMAGES = { cacheBytes: 256e6, maxImages: 64 } as const;

/** An image, or a video, as it goes into a prompt. */
export interface SeenImage {
  /** As it is seen, before it is resized. */
  readonly width: number;
  readonly height: number;
  readonly tokens: number;
  readonly pictures: readonly Picture[];
  readonly tiles?: { readonly rows: number; readonly columns: number } | undefined;
  /** Seconds, by picture, of a video. */
  readonly times?: readonly number[] | undefined;
}

export interface ImageCache {
  /**
   * Decodes in a turn of the event loop of its own; nothing is decoded that nobody waits for any more.
   * @param where names it in messages
   * @throws FormatError for a file that is damaged or of another kind, InputError for what is no image, CapacityError for too many pixels
   */
  read(content: SeenContent, where: string, signal?: CancelSignal): Promise<SeenImage>;
  /** What {@link read} would give, by the header of its file: pictures of no pixels. @throws as that does */
  measure(content: SeenContent, where: string): SeenImage;
  /** Bytes that are kept, as {@link ImageLimits.cacheBytes} counts them. */
  readonly bytes: number;
}

export interface ImageCacheOptions extends ImageLimits {
  readonly settings: ImageSettings;
  readonly decoder: ImageDecoder | undefined;
  /** As `VideoLimits.pictureTokens`; those of images are in the settings. */
  readonly pictureTokens?: number | undefined;
}

interface Kept {
  readonly image: Promise<KeptImage>;
  /** Who waits for it. */
  readonly waiting: Waiting;
  bytes: number;
}

export function createImageCache(options: ImageCacheOptions): ImageCache {
  const { cacheBytes = DEFAULT_IMAGES.cacheBytes } = options;
  // The one used last is the last. Strings of one text are one key.
  const kept = new Map<string, Kept>();
  let bytes = 0;
  const drop = (key: string) => {
    bytes -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  };
  const settle = (key: string, entry: Kept, size: number) => {
    if (kept.get(key) !== entry) return;
    entry.bytes = size;
    bytes += size;
    for (const [oldest, { bytes: own }] of kept) {
      if (bytes <= cacheBytes) break;
      if (own > 0) drop(oldest);
    }
  };
  return {
    get bytes() {
      return bytes;
    },
    measure: (content, where) => measure(content, where, options),
    async read(content, where, signal) {
      signal?.throwIfAborted();
      const key = keyOf(content);
      const found = kept.get(key);
      if (found !== undefined) {
        kept.delete(key);
        kept.set(key, found);
        found.waiting.add(signal);
        return found.image;
      }
      const left = new AbortController();
      const waiting = createWaiting((reason) => {
        // Before anyone else can ask for what will not come.
        if (kept.get(key) === entry) drop(key);
        left.abort(reason);
      });
      const entry: Kept = { image: see(content, where, { ...options, left: left.signal }), waiting, bytes: 0 };
      kept.set(key, entry);
      waiting.add(signal);
      try {
        const image = await entry.image;
        settle(key, entry, image.pictures.reduce((sum, { size }) => sum + size, key.length));
        return image;
      } catch (error) {
        if (kept.get(key) === entry) kept.delete(key);
        throw error;
      } finally {
        waiting.end();
        signal?.throwIfAborted();
      }
    },
  };
}

/** Those who wait for one image, until it is there or has failed. */
interface Waiting {
  add(signal: CancelSignal | undefined): void;
  /** Lets go of all signals: one that aborts later is no matter of the image. */
  end(): void;
}

/** @param onLeft called once, where all who wait have left, with the reason of the last */
function createWaiting(onLeft: (reason: unknown) => void): Waiting {
  const signals: (CancelSignal | undefined)[] = [];
  let isOver = false;
  const end = () => {
    isOver = true;
    for (const one of signals.splice(0)) one?.removeEventListener('abort', check);
  };
  const check = () => {
    if (!signals.every((one) => one?.aborted === true)) return;
    const reason: unknown = signals.at(-1)?.reason;
    end();
    onLeft(reason);
  };
  return {
    end,
    add(signal) {
      if (isOver) return;
      signals.push(signal);
      signal?.addEventListener('abort', check, { once: true });
    },
  };
}

/** A picture whose patches are made when the tower reads them. */
interface KeptPicture extends Picture {
  /** Bytes of its pixels. */
  readonly size: number;
}

interface KeptImage extends SeenImage {
  readonly pictures: readonly KeptPicture[];
}

function keyOf(content: SeenContent): string {
  return content.type === 'image' ? `${content.maxTokens ?? ''} ${content.url}` : `${content.times.join(' ')} ${content.frames.join(' ')}`;
}

interface SeeOptions extends ImageCacheOptions {
  /** Aborted where nobody waits for the image any more. */
  readonly left: AbortSignal;
}

async function see(content: SeenContent, where: string, options: SeeOptions): Promise<KeptImage> {
  const { settings } = options;
  const limits = limitsOf(content, where, options);
  if (content.type === 'image') {
    const image = await decode(content.url, where, options);
    const { pictures, tiles } = preparePictures(image, settings, limits);
    return seenImage(image, { pictures: await named(pictures, settings), tiles }, settings);
  }
  const family = videoSettings(settings, where);
  const frames: Image[] = [];
  for (const [i, url] of content.frames.entries()) frames.push(await decode(url, `${where}, frame ${i}`, options));
  const { pictures, times } = prepareVideo({ frames, times: content.times }, family, limits);
  return seenImage(frames[0] as Image, { pictures: await named(pictures, settings), times }, settings);
}

type Seen<One extends Picture> = Pick<SeenImage, 'tiles' | 'times'> & { readonly pictures: readonly One[] };

function seenImage<One extends Picture>({ width, height }: Pick<Image, 'width' | 'height'>, seen: Seen<One>, { mergeSize }: ImageSettings) {
  const tokens = seen.pictures.reduce((sum, { rows, columns }) => sum + (rows * columns) / mergeSize ** 2, 0);
  return { width, height, tokens, ...seen };
}

function limitsOf(content: SeenContent, where: string, { maxTokens, pictureTokens }: ImageCacheOptions) {
  return { where, pictureTokens, maxTokens: leastOf(maxTokens, content.type === 'image' ? content.maxTokens : undefined) };
}

function leastOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function videoSettings(settings: ImageSettings, where: string) {
  if (settings.family !== 'qwen-vl') throw new InputError(`${where}: this model sees images, and no videos: pass some frames as images.`);
  return settings;
}

async function decode(url: string, where: string, { decoder, maxPixels = MOST_PIXELS, left }: SeeOptions): Promise<Image> {
  // Resizing, and decoding where there is no thread for it, hold this one: others have their turn, and signals are heard, between images.
  await yieldToEventLoop();
  left.throwIfAborted();
  const source = readDataUrl(url, where);
  if (!(source instanceof Uint8Array)) return source;
  if (decoder === undefined)
    throw new InputError(`${where}: image files need a decoder: load the model with imageDecoder (createImageDecoder), or pass pixels.`);
  return decoder.decode(source, { name: where, maxPixels, signal: left });
}

/** By what the tower sees of them: an image that was sent in another form, or another size, may be the same picture. */
async function named(pictures: readonly PatchGrid[], { family, mean, std, patchSize }: ImageSettings): Promise<KeptPicture[]> {
  const done: KeptPicture[] = [];
  for (const picture of pictures) {
    const { rows, columns, pixels } = picture;
    const head = new TextEncoder().encode(JSON.stringify([family, patchSize, mean, std, rows, columns, pixels.length]));
    const all = joinBytes([head, ...pixels]);
    const key = hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', all)));
    done.push({
      rows, columns, key, size: all.length - head.length,
      get patches() {
        return picture.patches;
      },
    });
  }
  return done;
}

const NO_PATCHES = new Float32Array();

function measure(content: SeenContent, where: string, options: ImageCacheOptions): SeenImage {
  const { settings } = options;
  const limits = limitsOf(content, where, options);
  const blank = ({ width, height }: Pick<ImageLayout, 'width' | 'height'>): Picture => ({
    rows: height / settings.patchSize, columns: width / settings.patchSize, patches: NO_PATCHES, key: 'measured',
  });
  if (content.type === 'video') {
    const family = videoSettings(settings, where);
    const frames = content.frames.map((url, i) => sizeOf(url, `${where}, frame ${i}`));
    checkFrames({ frames, times: content.times }, where);
    const [first] = frames as [Size];
    const layout = layoutVideo({ ...first, count: frames.length }, family, limits);
    const times = pictureTimes(content.times, family);
    return seenImage(first, { pictures: times.map(() => blank(layout)), times }, settings);
  }
  const size = sizeOf(content.url, where);
  const layout = layoutImage(size, settings, limits);
  if (settings.family === 'qwen-vl' || layout.tiles === undefined) return seenImage(size, { pictures: [blank(layout)] }, settings);
  const tile = blank({ width: settings.tileSize, height: settings.tileSize });
  const tiles = Array.from({ length: layout.tiles.rows * layout.tiles.columns }, () => tile);
  const pictures = settings.hasThumbnail && tiles.length > 1 ? [...tiles, blank(layout)] : tiles;
  return seenImage(size, { pictures, tiles: tiles.length > 1 ? layout.tiles : undefined }, settings);
}

function sizeOf(url: string, where: string): Size {
  const source = readDataUrl(url, where);
  if (!(source instanceof Uint8Array)) return source;
  const { width, height, orientation } = readImageHeader(source, where);
  return orientation < 5 ? { width, height } : { width: height, height: width };
}
