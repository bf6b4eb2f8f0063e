/** Where the images of messages come from: data URLs, since messages are JSON that is kept, saved and sent. */
import { checkImage } from '../../image/image.ts';
import type { Image } from '../../image/image.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';

/** Bytes of a file, or pixels. */
export type ImageSource = Uint8Array | Image;

/** The media type of pixels, with their width and height as parameters. */
const PIXELS = 'image/x-rgba';
/** Bytes that are made text at a time: more arguments than that a function may not take. */
const PIECE = 8192;

function toBase64(bytes: Uint8Array | Uint8ClampedArray): string {
  let text = '';
  for (let from = 0; from < bytes.length; from += PIECE) text += String.fromCharCode(...bytes.subarray(from, from + PIECE));
  return btoa(text);
}

function dataUrl(source: ImageSource, where: string): string {
  // What kind of file it is its own bytes say.
  if (source instanceof Uint8Array) return `data:image/*;base64,${toBase64(source)}`;
  const { width, height, data } = checkImage(source, where);
  return `data:${PIXELS};width=${width};height=${height};base64,${toBase64(data)}`;
}

/**
 * A part of a message's content: an image, of the bytes of a PNG, JPEG, WebP or GIF file, or of pixels.
 * @throws InputError for what is neither
 */
export function imagePart(source: ImageSource): JsonObject {
  return { type: 'image_url', image_url: { url: dataUrl(source, 'imagePart') } };
}

export interface VideoSource {
  readonly frames: readonly ImageSource[];
  /** Seconds from the beginning, by frame, rising. */
  readonly times: readonly number[];
}

/** A part of a message's content: a video, as some of its frames, of one size. @throws InputError for frames that are no images */
export function videoPart({ frames, times }: VideoSource): JsonObject {
  if (!Array.isArray(frames) || !Array.isArray(times))
    throw new InputError(`videoPart takes { frames, times }, found ${describeValue(frames)} and ${describeValue(times)}.`);
  return { type: 'video', frames: frames.map((frame, i) => dataUrl(frame as ImageSource, `videoPart, frame ${i}`)), times: [...times] };
}

/** The file, or the pixels, of a data URL (RFC 2397). @throws InputError for any other URL */
export function readDataUrl(url: string, where: string): ImageSource {
  const comma = url.indexOf(',');
  const head = /^data:([^;,]*)((?:;[^;,]*)*)$/i.exec(comma < 0 ? '' : url.slice(0, comma));
  if (head === null) throw notData(url, where);
  const [, type = '', rest = ''] = head;
  const parameters = rest.slice(1).split(';');
  if (parameters.at(-1)?.toLowerCase() !== 'base64') throw new InputError(`${where}: a data URL of an image must be base64.`);
  const bytes = fromBase64(url.slice(comma + 1), where);
  if (type !== PIXELS) return bytes;
  const numberOf = (name: string) => Number(parameters.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1));
  return checkImage({ width: numberOf('width'), height: numberOf('height'), data: bytes }, where);
}

function notData(url: string, where: string): InputError {
  const found = JSON.stringify(url.slice(0, 40));
  const remedy = /^https?:/i.test(url)
    ? 'Images of the web are not fetched here: pass their bytes, by imagePart or as data:image/png;base64,...'
    : 'Pass the bytes of a file by imagePart, or as data:image/png;base64,...';
  return new InputError(`${where}: expected an image as a data URL, found ${found}. ${remedy}`);
}

function fromBase64(text: string, where: string): Uint8Array {
  let binary: string;
  try {
    // atob takes white space, and no letters for URLs.
    binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  } catch {
    throw new InputError(`${where}: the data URL's base64 is damaged.`);
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
