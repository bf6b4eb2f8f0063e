/** What a chat says of an answer that is spoken. */
import type { ParameterTable } from '../parameter-table.ts';

/** What is made here. */
export const FORMATS = ['wav', 'pcm16'] as const;
/** OpenAI's others: there is no encoder of them here. */
const REFUSED = ['mp3', 'flac', 'opus', 'aac'] as const;
export type SpokenFormat = (typeof FORMATS)[number];

export interface SpokenParameters {
  readonly voice?: string | { readonly id: string };
  readonly format: SpokenFormat | (typeof REFUSED)[number];
}

export const SPOKEN_PARAMETERS: ParameterTable = {
  voice: {
    schema: {
      anyOf: [
        { type: 'string', minLength: 1, maxLength: 500 },
        {
          type: 'object', properties: { id: { type: 'string', minLength: 1, maxLength: 500 } }, required: ['id'],
          additionalProperties: false,
        },
      ],
    },
    about: 'A voice of the model that speaks, or a blend: af_heart:2,af_bella. default: its first, or the one there is.',
  },
  format: {
    schema: { enum: [...FORMATS, ...REFUSED] }, isRequired: true,
    about: 'wav, or pcm16: 16-bit samples, low byte first, mono, at 24,000 Hz; with stream pcm16. Others are refused: no encoder is here.',
  },
};
