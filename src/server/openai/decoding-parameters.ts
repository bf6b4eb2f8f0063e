/** What requests for chats and for completions say alike of how tokens are chosen. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { AnswerRequest } from '../run-generation.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { invalid } from '../failure.ts';

const integer = (minimum: number, maximum = Number.MAX_SAFE_INTEGER) => ({ type: 'integer', minimum, maximum }) as const;
const number = (minimum: number, maximum: number) => ({ type: 'number', minimum, maximum }) as const;

/** Checked values of {@link DECODING_PARAMETERS}. */
export interface DecodingParameters {
  readonly model: string;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean | null };
  readonly n?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly repetition_penalty?: number;
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly seed?: number;
  readonly stop?: string | readonly string[];
  readonly logit_bias?: Readonly<Record<string, number>>;
  readonly max_tokens?: number;
  readonly user?: string;
  readonly ignore_eos?: boolean;
  readonly return_token_ids?: boolean;
}

export const DECODING_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  stream: { schema: { type: 'boolean' }, about: 'The answer as it comes, as server-sent events.' },
  stream_options: {
    schema: {
      type: 'object',
      properties: {
        include_usage: { type: 'boolean', nullable: true },
        include_obfuscation: { enum: [false, null], description: 'Not obeyed: events are not padded to hide their lengths.' },
      },
      additionalProperties: false,
    },
    about: 'Only with stream.',
  },
  n: { schema: integer(1, 64), about: 'How many answers. Default 1.' },
  temperature: { schema: number(0, 2), about: "Default: the model's own, as for the next ones." },
  top_p: { schema: number(0, 1), about: '0: the likeliest token alone.' },
  top_k: { schema: integer(-1), about: "Beyond OpenAI's reference: keep the k likeliest tokens; 0 and -1 are off." },
  min_p: { schema: number(0, 1), about: "Beyond OpenAI's reference: drop tokens below this share of the likeliest one's probability." },
  repetition_penalty: { schema: { type: 'number', exclusiveMinimum: 0, maximum: 100 }, about: "Beyond OpenAI's reference; 1 is off." },
  presence_penalty: { schema: number(-2, 2), about: 'Taken from the logits of tokens that the answer has.' },
  frequency_penalty: { schema: number(-2, 2), about: 'The same, as often as the answer has them.' },
  seed: { schema: integer(-Number.MAX_SAFE_INTEGER), about: 'The same seed gives the same answer while system_fingerprint stays.' },
  stop: {
    schema: {
      anyOf: [
        { type: 'string', minLength: 1, maxLength: 1000 },
        { type: 'array', items: { type: 'string', minLength: 1, maxLength: 1000 }, maxItems: 16 },
      ],
    },
    about: 'Texts before which the answer ends.',
  },
  logit_bias: {
    schema: { type: 'object', additionalProperties: number(-100, 100) }, about: 'By token id: what is added to its logit.',
  },
  ignore_eos: { schema: { type: 'boolean' }, about: "Beyond OpenAI's reference: go on past end tokens." },
  return_token_ids: { schema: { type: 'boolean' }, about: "Beyond OpenAI's reference: the answer's token ids beside its text." },
  user: { schema: { type: 'string', maxLength: 1000 }, about: 'Stands in the record of the request.' },
};

function checkStreamOptions({ stream, stream_options: options }: DecodingParameters): void {
  if (options !== undefined && stream !== true)
    throw invalid('stream_options is only for requests with stream true.', { param: 'stream_options', code: 'invalid_value' });
}

/** The engine's seeds are integers from 0 to 2^53 - 1. A negative one has its place in the upper half of them: -1 is 2^52. */
function engineSeed(seed: number | undefined): number | undefined {
  return seed === undefined || seed >= 0 ? seed : (2 ** 52 - 1 - seed) % 2 ** 53;
}

/** Which tokens are drawn from. `top_p` 0 is the likeliest one alone, as `top_k` 1 is for the engine; `top_k` -1 is vLLM's word for all. */
export function drawnFrom(
  { top_p: topP, top_k: topK }: Pick<DecodingParameters, 'top_p' | 'top_k'>,
): Pick<AnswerRequest, 'topP' | 'topK'> {
  if (topP === 0) return { topP: undefined, topK: 1 };
  return { topP, topK: topK === -1 ? 0 : topK };
}

/** @throws Failure (400) for parameters that contradict each other */
export function decodingOptions(parameters: DecodingParameters): Omit<AnswerRequest, 'prompt' | 'ids' | 'messages'> {
  checkStreamOptions(parameters);
  const { stop } = parameters;
  return {
    n: parameters.n,
    temperature: parameters.temperature,
    ...drawnFrom(parameters),
    minP: parameters.min_p,
    repetitionPenalty: parameters.repetition_penalty,
    presencePenalty: parameters.presence_penalty,
    frequencyPenalty: parameters.frequency_penalty,
    seed: engineSeed(parameters.seed),
    stop: Array.isArray(stop) && stop.length === 0 ? undefined : stop,
    logitBias: parameters.logit_bias,
    ignoreEos: parameters.ignore_eos,
  };
}

/** The checked parameters by the types that their schemas have. */
export function typed<Parameters>(parameters: JsonObject): Parameters {
  return parameters as JsonValue as Parameters;
}
