/** What `/v1/audio/transcriptions` and `translations` take: the fields of their forms. */
import type { TurnOptions } from '../../audio/turn-taking.ts';
import type { SpeechAbilities } from '../../engine/speech/recogniser.ts';
import type { SpeechModel } from '../../engine/speech/speech-model.ts';
import type { TranscribeOptions } from '../../engine/speech/transcribe-options.ts';
import { invalid } from '../failure.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ParameterTable } from '../parameter-table.ts';

export const AUDIO_FORMATS = ['json', 'text', 'srt', 'verbose_json', 'vtt'] as const;
export type AudioFormat = (typeof AUDIO_FORMATS)[number];

/** How long pauses are, and what stands before speech, at most. */
const MOST_PAUSE_MS = 10_000;
/** What a turn keeps behind its last speech, as the recogniser has it by itself; never more than the pause that ends it. */
const POST_ROLL_MS = 200;

/** A turn goes on down to a probability of its own, by itself at least this: never above the threshold. */
const LEAST_RELEASE = 0.01;

export interface VadParameters {
  readonly type: 'server_vad';
  readonly prefix_padding_ms?: number;
  readonly silence_duration_ms?: number;
  readonly threshold?: number;
}

export interface TranscriptionParameters {
  readonly model: string;
  readonly language?: string;
  readonly prompt?: string;
  readonly response_format?: AudioFormat;
  readonly stream?: boolean;
  readonly timestamp_granularities?: readonly ('word' | 'segment')[];
  readonly chunking_strategy?: 'auto' | VadParameters;
}

export const TRANSLATION_FORM: ParameterTable = {
  file: { schema: { type: 'string' }, isRequired: true, about: 'A sound: WAV, FLAC, MP3 or Ogg (Opus, Vorbis, FLAC).' },
  model: MODEL_PARAMETER,
  prompt: { schema: { type: 'string', maxLength: 10_000 }, about: 'What was said before, for models that take such a text.' },
  response_format: { schema: { enum: AUDIO_FORMATS }, about: 'Default json.' },
  temperature: {
    refused: 'the likeliest tokens are taken, and Whisper goes on to greater temperatures by itself, as 0 asks for; leave it out.',
    neutral: [0],
  },
};

export const TRANSCRIPTION_FORM: ParameterTable = {
  ...TRANSLATION_FORM,
  language: {
    schema: { type: 'string', minLength: 2, maxLength: 20 }, about: 'Code of what is spoken. Default: what the model knows or hears.',
  },
  stream: { schema: { type: 'boolean' }, about: 'Each segment when it is heard, as events; with response_format json.' },
  timestamp_granularities: {
    schema: { type: 'array', items: { enum: ['word', 'segment'] }, minItems: 1, maxItems: 2 },
    about: 'With response_format verbose_json. Default segment.',
  },
  chunking_strategy: {
    schema: {
      anyOf: [
        { enum: ['auto'] },
        {
          type: 'object',
          properties: {
            type: { enum: ['server_vad'] },
            prefix_padding_ms: { type: 'integer', minimum: 0, maximum: MOST_PAUSE_MS },
            silence_duration_ms: { type: 'integer', minimum: 0, maximum: MOST_PAUSE_MS },
            threshold: { type: 'number', exclusiveMinimum: 0, maximum: 0.99 },
          },
          required: ['type'],
          additionalProperties: false,
        },
      ],
    },
    about: 'Where the sound is cut, for models that hear turns. auto: where speech pauses, as without it. Loudness stays as it is.',
  },
  include: { refused: 'log probabilities of a transcript are not given; leave it out.', neutral: [[]] },
  known_speaker_names: { refused: 'speakers are not told apart; leave it out.', neutral: [[]] },
  known_speaker_references: { refused: 'speakers are not told apart; leave it out.', neutral: [[]] },
};

/** @throws Failure (400) for parameters that do not go together */
export function checkForm({ response_format: format = 'json', stream, timestamp_granularities: times }: TranscriptionParameters): void {
  if (stream === true && format !== 'json')
    throw invalid('stream answers by events, which response_format json is for.', { param: 'stream', code: 'invalid_value' });
  if (times !== undefined && format !== 'verbose_json')
    throw invalid('timestamp_granularities are for response_format verbose_json.', {
      param: 'timestamp_granularities', code: 'invalid_value',
    });
}

function turnsOf({ prefix_padding_ms: preRollMs, silence_duration_ms: endSilenceMs, threshold }: VadParameters): TurnOptions {
  return {
    ...(preRollMs === undefined ? {} : { preRollMs }),
    ...(threshold === undefined ? {} : { threshold, ...(threshold < LEAST_RELEASE ? { release: threshold } : {}) }),
    ...(endSilenceMs === undefined ? {} : { endSilenceMs, postRollMs: Math.min(POST_ROLL_MS, endSilenceMs) }),
  };
}

/** The first parameter that a model does not have, and why. */
function unableFor(
  { language, prompt, timestamp_granularities: times, chunking_strategy: chunking }: TranscriptionParameters,
  { languages, prompts, words, turns }: SpeechAbilities,
): readonly [param: string, why: string] | undefined {
  if (language !== undefined && !languages.includes(language))
    return ['language', languages.length === 0 ? 'finds out which language is spoken: leave it out.' : `knows ${languages.join(', ')}.`];
  if (prompt !== undefined && prompt !== '' && !prompts) return ['prompt', 'takes no prompt: leave it out.'];
  if (times?.includes('word') === true && !words) return ['timestamp_granularities', 'has no times of words: ask for segment.'];
  if (chunking !== undefined && !turns) return ['chunking_strategy', 'takes windows of 30 s, wherever speech pauses: leave it out.'];
  return undefined;
}

/**
 * What the engine is asked for.
 * @throws Failure (400) that names the first parameter that the model does not have
 */
export function transcribeOptions(
  parameters: TranscriptionParameters, task: 'transcribe' | 'translate', { info: { abilities } }: SpeechModel,
): TranscribeOptions {
  const { model, language, prompt, timestamp_granularities: times, chunking_strategy: chunking } = parameters;
  if (task === 'translate' && !abilities.translates)
    throw invalid(`The model ${model} does not translate: ask /v1/audio/transcriptions, or a Whisper of many languages.`, {
      param: 'model', code: 'unsupported_model',
    });
  const [param, why] = unableFor(parameters, abilities) ?? [];
  if (param !== undefined)
    throw invalid(`${param} is not obeyed here: the model ${model} ${why}`, { param, code: 'unsupported_parameter' });
  return {
    task, language, prompt: prompt === '' ? undefined : prompt, timestamps: times?.includes('word') === true ? 'words' : 'segments',
    turns: typeof chunking === 'object' ? turnsOf(chunking) : undefined,
  };
}
