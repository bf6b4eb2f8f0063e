/** How many pixels the images of a conversation have: looked at by their headers before any of them is decoded. */
import { MOST_PIXELS } from '../../image/image-decoder.ts';
import { readImageHeader } from '../../image/image-header.ts';
import { FormatError, InputError } from '../../tensor/errors.ts';
import type { SeenContent } from './image-content.ts';
import { readDataUrl } from './image-source.ts';

export interface PixelLimits {
  /** Pixels of the largest image that is decoded. Default 50 million. */
  readonly maxPixels?: number | undefined;
  /** Most pixels of all images of a conversation together, each frame of a video counted. Default: four times `maxPixels`. */
  readonly maxTotalPixels?: number | undefined;
}

/** A file of a few kilobytes may have as many pixels as one image may; decoding a conversation takes no longer than decoding four such. */
const LARGEST_IMAGES = 4;

/** An image or a video in a conversation. */
export interface LocatedContent {
  readonly content: SeenContent;
  /** Names it in messages. */
  readonly where: string;
}

function framesOf({ content, where }: LocatedContent): readonly (readonly [url: string, where: string])[] {
  return content.type === 'image' ? [[content.url, where]] : content.frames.map((url, i) => [url, `${where}, frame ${i}`]);
}

/** @throws InputError for an image, and for images together, of more pixels than the limits, and for what is no image */
export function checkPixels(images: readonly LocatedContent[], { maxPixels = MOST_PIXELS, maxTotalPixels }: PixelLimits): void {
  const most = maxTotalPixels ?? maxPixels * LARGEST_IMAGES;
  let total = 0;
  for (const [url, where] of images.flatMap(framesOf)) {
    const { width, height } = sizeOf(url, where);
    if (width * height > maxPixels)
      throw new InputError(`${where}: ${width} x ${height} pixels, and at most ${maxPixels} are taken. ${SMALLER}`);
    total += width * height;
    if (total > most) {
      throw new InputError(
        `${where}: with this image the conversation has ${total} pixels, and at most ${most} are taken. Leave the oldest out, or make ` +
          'them smaller first: a model sees no more than about a million of each.',
      );
    }
  }
}

const SMALLER = 'Make it smaller first: a model sees no more than about a million.';

function sizeOf(url: string, where: string) {
  const source = readDataUrl(url, where);
  if (!(source instanceof Uint8Array)) return source;
  try {
    return readImageHeader(source, where);
  } catch (error) {
    // Who sends a message sends its images.
    if (error instanceof FormatError) throw new InputError(error.message, { cause: error });
    throw error;
  }
}
