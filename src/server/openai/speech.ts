/** `/v1/audio/speech`: a text as speech, sent sentence by sentence as it is made. */
import { encodeSamples } from '../../audio/wav-samples.ts';
import { wavHeader } from '../../audio/wav-writer.ts';
import type { SpeakOptions, VoiceModel } from '../../engine/speech/voice-model.ts';
import { CapacityError, InputError } from '../../tensor/errors.ts';
import { countPrompt } from '../answer-counter.ts';
import { toBase64 } from '../base64.ts';
import { timedSignal } from '../call.ts';
import type { Call } from '../call.ts';
import { dataEvent, eventStream } from '../event-stream.ts';
import { Failure, invalid } from '../failure.ts';
import { findVoiceModel } from '../find-model.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import { ownError } from '../own-error.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { typed } from './decoding-parameters.ts';
import { failureEvents } from './error-form.ts';

const FORMATS = ['wav', 'pcm'] as const;
/** OpenAI's others: there is no encoder of them here. */
const REFUSED = ['mp3', 'opus', 'aac', 'flac'] as const;
type Format = (typeof FORMATS)[number];

const MOST_CHARACTERS = 100_000;

interface SpeechParameters {
  readonly model: string;
  readonly input: string;
  readonly voice?: string | { readonly id: string };
  readonly response_format?: Format | (typeof REFUSED)[number];
  readonly speed?: number;
  readonly instructions?: string;
  readonly stream_format?: 'audio' | 'sse';
  readonly seed?: number;
}

export const SPEECH_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  input: { schema: { type: 'string', minLength: 1, maxLength: MOST_CHARACTERS }, isRequired: true, about: 'The text.' },
  voice: {
    schema: {
      anyOf: [
        { type: 'string', minLength: 1, maxLength: 500 },
        { type: 'object', properties: { id: { type: 'string', minLength: 1, maxLength: 500 } }, required: ['id'] },
      ],
    },
    about: 'A voice of the model, or a blend: af_heart:2,af_bella. Default: its first.',
  },
  response_format: {
    schema: { enum: [...FORMATS, ...REFUSED] },
    about: 'wav (default), or pcm: 16-bit samples, low byte first, mono, at 24,000 Hz. Others are refused: nothing here encodes them.',
  },
  speed: { schema: { type: 'number', minimum: 0.25, maximum: 4 }, about: 'Default 1.' },
  instructions: { schema: { type: 'string', maxLength: 10_000 }, about: 'Refused unless it is empty: the voice says how it speaks.' },
  stream_format: { schema: { enum: ['audio', 'sse'] }, about: 'sse: events with base64. Default audio: the bytes.' },
  seed: { schema: { type: 'integer', minimum: 0 }, about: 'Of the noise in the voice. Default 0.' },
};

export async function speech(call: Call): Promise<Response> {
  const parameters = typed<SpeechParameters>(call.parameters);
  const format = formatOf(parameters);
  const model = await findVoiceModel(call, parameters.model);
  const { input, voice, speed, seed, stream_format: stream } = parameters;
  countPrompt(call, { promptTokens: input.length, cachedTokens: 0 });
  const signal = timedSignal(call);
  const options: SpeakOptions = { voice: typeof voice === 'object' ? voice.id : voice, speed, seed, signal };
  const spoken: Spoken = { call, model, input, options, format };
  if (stream === 'sse') return eventStream(call, events(spoken), { failureEvents });
  const contentType = format === 'wav' ? 'audio/wav' : 'audio/pcm';
  return eventStream(call, bytesOf(spoken), { failureEvents: () => undefined, contentType, heartbeat: '' });
}

/** @throws Failure (400) for what is not made here */
function formatOf({ response_format: format = 'wav', instructions }: SpeechParameters): Format {
  if (instructions !== undefined && instructions.trim() !== '')
    throw invalid('instructions are not followed by models here: the voice says how it speaks. Leave them out.', { param: 'instructions' });
  const made = FORMATS.find((one) => one === format);
  if (made !== undefined) return made;
  throw invalid(`response_format ${format} needs an encoder that this server does not have: ask for wav or pcm.`, {
    param: 'response_format', code: 'unsupported_value',
  });
}

interface Spoken {
  readonly call: Call;
  readonly model: VoiceModel;
  readonly input: string;
  readonly options: SpeakOptions;
  readonly format: Format;
}

/** The header comes with the first sentence, so that what is refused has a status of its own. Its sizes say that nobody knows them yet. */
async function* bytesOf({ call, model, input, options, format }: Spoken): AsyncGenerator<Uint8Array, void, undefined> {
  let isFirst = true;
  try {
    for await (const { samples } of model.speak(input, options)) {
      const sound = encodeSamples(samples, 'int16');
      if (isFirst && format === 'wav') yield joined(wavHeader({ sampleRate: model.info.sampleRate, channels: 1 }, undefined), sound);
      else yield sound;
      isFirst = false;
    }
  } catch (error) {
    throw failureOfText(error, call);
  }
  call.finishReasons.push('stop');
}

function joined(head: Uint8Array, rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + rest.length);
  bytes.set(head);
  bytes.set(rest, head.length);
  return bytes;
}

/** What the model refuses of a text or a voice is the client's; what the server lacks is not, and asking again does not help. */
function failureOfText(error: unknown, call: Call): unknown {
  if (error instanceof CapacityError) {
    const details = { status: 503, code: 'voice_unavailable', headers: { 'x-should-retry': 'false' }, cause: error };
    return new Failure(`This server cannot speak it: ${error.message}`, details);
  }
  if (!(error instanceof InputError)) return ownError(error, call);
  const [, param] = /^(voice|speed|seed)\b/.exec(error.message) ?? [];
  return invalid(error.message, { param: param ?? (error.message.includes('voice') ? 'voice' : 'input'), code: 'invalid_value' });
}

async function* events(spoken: Spoken): AsyncGenerator<string, void, undefined> {
  for await (const part of bytesOf(spoken)) yield dataEvent({ type: 'speech.audio.delta', audio: toBase64(part) });
  const tokens = spoken.input.length;
  yield dataEvent({ type: 'speech.audio.done', usage: { input_tokens: tokens, output_tokens: 0, total_tokens: tokens } });
}
