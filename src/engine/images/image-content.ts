/** Which parts of a message's content are to be seen, in the forms that clients write them in. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';

/** An image, or some frames of a video, as data URLs. */
export type SeenContent =
  | { readonly type: 'image'; readonly url: string; readonly maxTokens: number | undefined }
  | { readonly type: 'video'; readonly frames: readonly string[]; readonly times: readonly number[] };

/** Tokens of an image that is asked for with few details, as OpenAI's clients may. */
const LOW_DETAIL_TOKENS = 64;
const DETAILS: Readonly<Record<string, number | undefined>> = { auto: undefined, high: undefined, low: LOW_DETAIL_TOKENS };

/** Types of parts that are seen. */
const TYPES: ReadonlySet<JsonValue | undefined> = new Set(['image', 'image_url', 'video']);

export function isSeen(part: JsonValue): part is JsonObject {
  return isJsonObject(part) && TYPES.has(part['type']);
}

/**
 * `{ type: 'image_url', image_url: URL or { url, detail } }` as OpenAI has it, `{ type: 'image', url or image: URL }` as transformers does,
 * and `{ type: 'video', frames: [URL], times: [seconds] }`.
 * @throws InputError for a part that is seen and not of these forms
 */
export function readSeen(part: JsonObject, where: string): SeenContent {
  if (part['type'] === 'video') return readVideo(part, where);
  const inner = part['type'] === 'image_url' ? part['image_url'] : (part['url'] ?? part['image']);
  const { url, detail } = isJsonObject(inner) ? inner : { url: inner, detail: undefined };
  if (typeof url !== 'string')
    throw new InputError(`${where}: an image needs a url, as data:image/png;base64,..., found ${describeJson(url)}.`);
  const asked = detail ?? 'auto';
  if (typeof asked !== 'string' || !Object.hasOwn(DETAILS, asked))
    throw new InputError(`${where}: detail must be auto, low or high, found ${describeJson(detail)}.`);
  return { type: 'image', url, maxTokens: DETAILS[asked] };
}

function readVideo({ frames, times }: JsonObject, where: string): SeenContent {
  const isList = (value: JsonValue | undefined, type: string) => Array.isArray(value) && value.every((one) => typeof one === type);
  if (!isList(frames, 'string') || !isList(times, 'number'))
    throw new InputError(`${where}: a video needs frames, as data URLs, and their times in seconds.`);
  return { type: 'video', frames: frames as readonly string[], times: times as readonly number[] };
}
