/** A sound among the parts of a message, as OpenAI's chats have it. */
import type { Schema } from '../schema.ts';

export interface SoundPart {
  readonly type: 'input_audio';
  readonly input_audio: { readonly data: string; readonly format: (typeof SOUND_FORMATS)[number] };
}

/** What sounds of messages may be. */
export const SOUND_FORMATS = ['wav', 'mp3', 'flac', 'ogg'] as const;

export const SOUND_PART: Schema = {
  type: 'object',
  properties: {
    type: { enum: ['input_audio'] },
    input_audio: {
      type: 'object',
      properties: { data: { type: 'string', minLength: 1 }, format: { enum: SOUND_FORMATS } },
      required: ['data', 'format'],
      additionalProperties: false,
    },
  },
  required: ['type', 'input_audio'],
  additionalProperties: false,
};
