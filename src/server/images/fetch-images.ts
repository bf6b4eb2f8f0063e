/** Images of the web in requests: fetched from hosts that the server was told, and from no others. */
import { imagePart } from '../../engine/images/image-source.ts';
import { checkMessagePixels } from '../../engine/images/see-messages.ts';
import type { ChatMessage, GenerateOptions, Model } from '../../engine/api.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { joinBytes } from '../../tensor/join-bytes.ts';
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

interface Fetching {
  readonly call: Call;
  /** Bytes that all images of the request may have yet. */
  bytesLeft: number;
  /** Data URLs by the URLs that they are fetched from: each is fetched once. */
  readonly fetched: Map<string, Promise<string>>;
}

/**
 * The conversations of a request with the images in them. They are left as they are for a model that sees none, which refuses them itself.
 * @throws Failure (400) for a host that the server does not fetch from, for what does not answer with an image, and for images that have
 *   together more bytes than a body may
 */
export async function fetchImages(call: Call, model: Model, conversations: readonly Messages[]): Promise<readonly Messages[]> {
  const parts = conversations.flatMap((messages) => messages.flatMap(partsOf));
  const urls = parts.flatMap((part) => webImage(part)?.url ?? []);
  if (model.vision === undefined || urls.length === 0) return conversations;
  if (urls.length > MOST_IMAGES) throw invalid(`The request has ${urls.length} images of the web, and at most ${MOST_IMAGES} are fetched.`);
  // All are looked at before the first is asked for.
  for (const url of urls) allowedUrl(call, url);
  const fetching: Fetching = { call, bytesLeft: call.state.limits.bodyBytes, fetched: new Map() };
  const all: Messages[] = [];
  for (const messages of conversations) all.push(await withImages(fetching, messages));
  return all;
}

async function withImages(fetching: Fetching, messages: Messages): Promise<Messages> {
  const fetched: Messages[number][] = [];
  for (const message of messages) {
    const content: JsonValue[] = [];
    for (const part of partsOf(message)) content.push(await withImage(fetching, part));
    fetched.push(content.length === 0 ? message : { ...message, content: content as JsonObject[] } as ChatMessage);
  }
  return fetched;
}

async function withImage(fetching: Fetching, part: JsonValue): Promise<JsonValue> {
  const image = webImage(part);
  if (image === undefined) return part;
  const asked = fetching.fetched.get(image.url) ?? dataUrlOf(fetching, image.url);
  fetching.fetched.set(image.url, asked);
  return { type: 'image_url', image_url: { url: await asked, ...(image.detail === undefined ? {} : { detail: image.detail }) } };
}

async function dataUrlOf(fetching: Fetching, url: string): Promise<string> {
  const part = imagePart(await fetchBytes(fetching, url));
  return (part['image_url'] as { readonly url: string }).url;
}

/**
 * Images are decoded before an answer waits for its turn: none of a request may hold up all others.
 * @throws InputError for an image, or images together, of more pixels than the server takes
 */
export function checkImagePixels({ state: { limits } }: Call, model: Model, messages: Messages | undefined): void {
  if (model.vision !== undefined) checkMessagePixels(messages, { maxPixels: limits.imagePixels });
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

async function fetchBytes(fetching: Fetching, asked: string): Promise<Uint8Array> {
  const { call } = fetching;
  const { bodyMs } = call.state.limits;
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
      if (response.ok) return await readBounded(response, fetching, asked);
      await response.body?.cancel();
      throw refused(asked, `was answered with the status ${response.status}`);
    }
  } catch (error) {
    call.signal.throwIfAborted();
    if (error instanceof Error && error.name === 'Failure') throw error;
    throw refused(asked, signal.aborted ? `did not arrive in ${bodyMs} ms` : 'cannot be fetched');
  }
}

function overBudget({ state: { limits: { bodyBytes } } }: Call): string {
  return `has more bytes than are left of ${bodyBytes}, which all fetched images of a request may have together`;
}

async function readBounded(response: Response, fetching: Fetching, url: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of response.body ?? []) {
    fetching.bytesLeft -= piece.length;
    // Leaving the loop cancels the body.
    if (fetching.bytesLeft < 0) throw refused(url, overBudget(fetching.call));
    pieces.push(piece);
  }
  return joinBytes(pieces);
}
