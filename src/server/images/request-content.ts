/** Contents of requests that may have images, as the engine has them. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { Schema } from '../schema.ts';
import { textOfContent } from '../text-of-content.ts';

/** As OpenAI's chats have it. */
export interface ImageUrlPart {
  readonly type: 'image_url';
  readonly image_url: { readonly url: string; readonly detail?: string | null };
}

export type ContentPart = { readonly text: string } | ImageUrlPart;
export type RequestContent = string | readonly ContentPart[] | null | undefined;

const DETAIL: Schema = { enum: ['auto', 'low', 'high', null], description: 'low: at most 64 tokens.' };
const URL_TEXT: Schema = {
  type: 'string', minLength: 1, description: 'data:image/png;base64,..., or of a host that the server fetches from.',
};

export const IMAGE_URL_PART: Schema = {
  type: 'object',
  properties: {
    type: { enum: ['image_url'] },
    image_url: { type: 'object', properties: { url: URL_TEXT, detail: DETAIL }, required: ['url'], additionalProperties: false },
  },
  required: ['type', 'image_url'],
  additionalProperties: false,
};

/** As OpenAI's responses have it. */
export const INPUT_IMAGE: Schema = {
  type: 'object',
  properties: { type: { enum: ['input_image'] }, image_url: URL_TEXT, detail: DETAIL, file_id: { enum: [null] } },
  required: ['type', 'image_url'],
  additionalProperties: false,
};

export function imageUrlPart(url: string, detail?: string | null): ImageUrlPart {
  return { type: 'image_url', image_url: { url, ...(detail ? { detail } : {}) } };
}

/** A text where all parts are texts: a template may read no parts. */
export function engineContent(content: RequestContent): string | readonly JsonObject[] {
  if (content === null || content === undefined || typeof content === 'string') return content ?? '';
  const isText = (part: ContentPart): part is { readonly text: string } => 'text' in part;
  if (content.every(isText)) return textOfContent(content);
  return content.map((part): JsonObject => {
    if (isText(part)) return { type: 'text', text: part.text };
    const { url, detail } = part.image_url;
    return { type: 'image_url', image_url: { url, ...(detail ? { detail } : {}) } };
  });
}
