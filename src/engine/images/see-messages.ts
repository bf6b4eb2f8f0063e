/** Conversations with images: what a model that sees is given in place of them, before their text is encoded. */
import type { Picture } from '../../models/vision.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError, InputError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { ChatMessage } from '../generation-api.ts';
import type { TextSide } from '../prompt.ts';
import { isSeen, readSeen } from './image-content.ts';
import { DEFAULT_IMAGES } from './image-cache.ts';
import type { ImageCache, SeenImage } from './image-cache.ts';
import { checkPixels } from './image-pixels.ts';
import type { LocatedContent, PixelLimits } from './image-pixels.ts';
import { placeImages } from './picture-places.ts';
import type { PictureIds, PictureName } from './picture-places.ts';

/** What a loaded model that sees has for it. */
export interface Seeing extends Omit<PictureIds, 'tokenizer'> {
  readonly cache: ImageCache;
  readonly maxImages: number | undefined;
  readonly pixels: PixelLimits;
}

interface FoundImage extends LocatedContent {
  readonly part: JsonObject;
}

function imagesIn(messages: unknown): FoundImage[] {
  if (!Array.isArray(messages)) return [];
  return (messages as readonly (ChatMessage | null)[]).flatMap((message, i) => partsOf(message).flatMap((part, k) => {
    const where = `messages[${i}].content[${k}]`;
    return isSeen(part) ? [{ part, content: readSeen(part, where), where }] : [];
  }));
}

function partsOf(message: ChatMessage | null): readonly JsonValue[] {
  return Array.isArray(message?.content) ? message.content : [];
}

/** As {@link checkPixels}, of messages: for who takes fewer pixels than the model. */
export function checkMessagePixels(messages: unknown, limits: PixelLimits): void {
  checkPixels(imagesIn(messages), limits);
}

export function hasImages(messages: unknown): boolean {
  return Array.isArray(messages) && (messages as readonly (ChatMessage | null)[]).some((message) => partsOf(message).some(isSeen));
}

/**
 * The text side for a conversation: where that has images, one that gives ids with pictures among them, and knows those. At once where it
 * has none.
 * @throws InputError for images to a model that sees none, for too many, and for what is no image, is damaged or too large; CapacityError
 *   where a decoder is not installed or gets no memory
 */
export function seeMessages(
  seeing: Seeing | undefined, text: TextSide, messages: unknown, signal?: CancelSignal,
): TextSide | Promise<TextSide> {
  const found = imagesIn(messages);
  if (found.length === 0) return text;
  const able = checkSeeing(seeing, found);
  return readAll(able, found, signal).then((images) => seeingText(able, text, images));
}

/** As {@link seeMessages}, of images whose headers alone are read: for whoever counts tokens. */
export function measureMessages(
  seeing: Seeing | undefined, text: TextSide, messages: unknown,
): { readonly text: TextSide; readonly images: readonly SeenImage[] } {
  const found = imagesIn(messages);
  if (found.length === 0) return { text, images: [] };
  const able = checkSeeing(seeing, found);
  const measured = ({ content, where }: FoundImage) => {
    try {
      return able.cache.measure(content, where);
    } catch (error) {
      return asInput(error);
    }
  };
  const images = new Map(found.map((one) => [one.part, measured(one)]));
  // A part that stands twice in the messages is seen twice.
  return { text: seeingText(able, text, images), images: found.map(({ part }) => images.get(part) as SeenImage) };
}

function checkSeeing(seeing: Seeing | undefined, found: readonly FoundImage[]): Seeing {
  if (seeing === undefined)
    throw new InputError(`${found[0]?.where}: this model sees no images: leave them out, or take one that does, such as Qwen3-VL.`);
  const most = seeing.maxImages ?? DEFAULT_IMAGES.maxImages;
  const count = found.reduce((sum, { content }) => sum + (content.type === 'video' ? content.frames.length : 1), 0);
  if (count > most) {
    throw new InputError(
      `The conversation has ${count} images, and at most ${most} are seen at a time: leave the oldest out, or load the model with ` +
        `images.maxImages ${count}.`,
    );
  }
  checkPixels(found, seeing.pixels);
  return seeing;
}

/** A file that a caller sends is the caller's, whatever is wrong with it; a machine that has no decoder, or no memory, is not. */
function asInput(error: unknown): never {
  if (error instanceof FormatError) throw new InputError(error.message, { cause: error });
  throw error;
}

/** One after another: each is large while it is decoded. */
async function readAll(
  { cache }: Seeing, found: readonly FoundImage[], signal: CancelSignal | undefined,
): Promise<ReadonlyMap<JsonValue, SeenImage>> {
  const images = new Map<JsonValue, SeenImage>();
  for (const { part, content, where } of found) images.set(part, await cache.read(content, where, signal).catch(asInput));
  return images;
}

const PLACE: JsonObject = { type: 'image' };

/** What the template is given for an image: a place; for a video a place for each of its pictures, behind the time (Qwen3-VL). */
function placesOf({ pictures, times }: SeenImage): readonly JsonObject[] {
  if (times === undefined) return [PLACE];
  return pictures.flatMap((_, i) => [{ type: 'text', text: `<${(times[i] as number).toFixed(1)} seconds>` }, PLACE]);
}

/** In the order of their places. */
function placedImages(image: SeenImage): readonly SeenImage[] {
  return image.times === undefined ? [image] : image.pictures.map((picture) => ({ ...image, pictures: [picture] }));
}

function seeingText(seeing: Seeing, text: TextSide, images: ReadonlyMap<JsonValue, SeenImage>): TextSide {
  const { encodeMessages, renderMessages, tokenizer } = text;
  if (encodeMessages === undefined || tokenizer === undefined) return text;
  const plain = (messages: readonly ChatMessage[]): ChatMessage[] => messages.map((message) => {
    if (!partsOf(message).some((part) => images.has(part))) return message;
    const content = partsOf(message).flatMap((part) => {
      const image = images.get(part);
      return image === undefined ? [part as JsonObject] : placesOf(image);
    });
    return { ...message, content };
  });
  const inOrder = (messages: readonly ChatMessage[]) => messages
    .flatMap((message) => partsOf(message).flatMap((part) => images.get(part) ?? []))
    .flatMap(placedImages);
  const pictures = new Map<number, Picture>();
  // Asked for once each: of very many pictures the first may be forgotten before the last is placed.
  const ids = new Map<PictureName, number>();
  for (const image of images.values()) {
    for (const picture of image.pictures) {
      const id = seeing.idOf(picture);
      ids.set(picture, id);
      pictures.set(id, picture);
    }
  }
  const of: PictureIds = { vision: seeing.vision, tokenizer, idOf: (picture) => ids.get(picture) as number };
  return {
    ...text,
    pictures,
    encodeMessages: (some, options) => placeImages(encodeMessages(plain(some), options), inOrder(some), of),
    renderMessages: renderMessages && ((some, options) => renderMessages(plain(some), options)),
  };
}
