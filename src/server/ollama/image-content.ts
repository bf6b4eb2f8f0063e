/** Images beside a text, as Ollama's forms have them. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { engineContent, imageUrlPart } from '../images/request-content.ts';
import type { Schema } from '../schema.ts';

export const IMAGES: Schema = {
  type: 'array', items: { type: 'string' }, maxItems: 64, nullable: true, description: 'Files in base64.',
};

/** The images come before the text. */
export function contentOf(
  text: string | null | undefined, images: readonly string[] | null | undefined,
): string | readonly JsonObject[] {
  return engineContent([...(images ?? []).map((data) => imageUrlPart(`data:image/*;base64,${data}`)), { text: text ?? '' }]);
}
