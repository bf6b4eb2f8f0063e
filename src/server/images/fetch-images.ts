/** Images of the web in requests: fetched from hosts that the server was told, and from no others. */
import { imagePart } from '../../engine/images/image-source.ts';
import type { ChatMessage, GenerateOptions } from '../../engine/api.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { isOfImageHosts } from './image-host.ts';

const MOST_IMAGES = 64;
const MOST_REDIRECTS = 3;

function webImage(part: JsonValue): { readonly url: string; readonly detail: JsonValue | undefined } | undefined {
  if (!isJsonObject(part) || part['type'] !== 'image_url' || !isJsonObject(part['image_url'])) return undefined;
  const { url, detail } = part['image_url'];
  return typeof url === 'string' && /^https?:/i.test(url) ? { url, detail } : undefined;
}

type Messages = NonNullable<GenerateOptions['messages']>;

function partsOf({ content }: Messages[number]): readonly JsonValue[] {
  return Array.isArray(content) ? (content as readonly JsonValue[]) : [];
}

/** Whether there is anything to fetch. */
export function hasWebImages(messages: Messages | undefined): boolean {
  return messages?.some((message) => partsOf(message).some((part) => webImage(part) !== undefined)) === true;
}

/**
 * The messages with the images in them.
 * @throws Failure (400) for a host that the server does not fetch from, and for what does not answer with an image in bounds
 */
export async function fetchImages(call: Call, messages: Messages): Promise<Messages> {
  const images = messages.flatMap((message) => partsOf(message).filter((part) => webImage(part) !== undefined));
  if (images.length > MOST_IMAGES) throw invalid(`The conversation has ${images.length} images, and at most ${MOST_IMAGES} are fetched.`);
  // All are looked at before the first is asked for.
  for (const part of images) allowedUrl(call, (webImage(part) as { url: string }).url);
  const fetched: Messages[number][] = [];
  for (const message of messages) {
    const content: JsonValue[] = [];
    for (const part of partsOf(message)) content.push(await withImage(call, part));
    fetched.push(content.length === 0 ? message : { ...message, content: content as JsonObject[] } as ChatMessage);
  }
  return fetched;
}

async function withImage(call: Call, part: JsonValue): Promise<JsonValue> {
  const image = webImage(part);
  if (image === undefined) return part;
  const { url } = imagePart(await fetchBytes(call, image.url))['image_url'] as { readonly url: string };
  return { type: 'image_url', image_url: { url, ...(image.detail === undefined ? {} : { detail: image.detail }) } };
}

function refused(url: string, why: string) {
  return invalid(`The image ${JSON.stringify(url.slice(0, 200))} ${why}. Send it as a data URL instead (data:image/png;base64,...).`, {
    param: 'messages', code: 'invalid_image_url',
  });
}

function allowedUrl({ state: { imageHosts } }: Call, url: string): URL {
  if (!URL.canParse(url)) throw refused(url, 'has no URL that can be read');
  const parsed = new URL(url);
  if (!/^https?:$/.test(parsed.protocol) || parsed.username !== '') throw refused(url, 'is no plain URL of the web');
  if (isOfImageHosts(parsed, imageHosts)) return parsed;
  const whose = imageHosts.size === 0 ? 'the web, and this server fetches none' : 'a host that this server does not fetch from';
  throw refused(url, `is of ${whose}`);
}

async function fetchBytes(call: Call, asked: string): Promise<Uint8Array> {
  const { bodyBytes, bodyMs } = call.state.limits;
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(bodyMs)]);
  let url = allowedUrl(call, asked);
  try {
    for (let redirects = 0; ; redirects++) {
      const response = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'image/png,image/jpeg,image/webp,image/gif' } });
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location !== null) {
        await response.body?.cancel();
        if (redirects === MOST_REDIRECTS) throw refused(asked, 'is redirected too often');
        url = allowedUrl(call, new URL(location, url).href);
        continue;
      }
      if (response.ok) return await readBounded(response, bodyBytes, asked);
      await response.body?.cancel();
      throw refused(asked, `was answered with the status ${response.status}`);
    }
  } catch (error) {
    call.signal.throwIfAborted();
    if (error instanceof Error && error.name === 'Failure') throw error;
    throw refused(asked, signal.aborted ? `did not arrive in ${bodyMs} ms` : 'cannot be fetched');
  }
}

async function readBounded(response: Response, most: number, url: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    // Leaving the loop cancels the body.
    if (length > most) throw refused(url, `has more than ${most} bytes`);
    pieces.push(piece);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
