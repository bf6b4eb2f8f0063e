/** What Ollama's requests say alike: the model, how long it stays, and `options`, each obeyed or refused by name. */
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ParameterTable } from '../parameter-table.ts';

const integer = (minimum: number, maximum = Number.MAX_SAFE_INTEGER) => ({ type: 'integer', minimum, maximum }) as const;
const number = (minimum: number, maximum: number) => ({ type: 'number', minimum, maximum }) as const;
const AT_START = 'it is a setting of the server, made when it starts (docs/server.md); leave it out.';
const NOT_THERE = 'the sampler has no such step; leave it out.';

const OPTION_PARAMETERS: ParameterTable = {
  num_predict: {
    schema: { anyOf: [integer(1), { enum: [-1, -2] }] }, about: 'Most tokens; -1 and -2: what the context has left, which is the default.',
  },
  stop: {
    schema: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 1000 }, maxItems: 16 },
    about: 'Texts before which the answer ends.',
  },
  seed: { schema: integer(0), about: 'The same seed gives the same answer.' },
  temperature: { schema: number(0, 100), about: "Default: the model's own, as for the next ones." },
  top_k: { schema: integer(0), about: 'Keep the k likeliest tokens; 0 is off.' },
  top_p: { schema: { type: 'number', minimum: 0, maximum: 1 }, about: '0: the likeliest token alone.' },
  min_p: { schema: number(0, 1), about: "Drop tokens below this share of the likeliest one's probability." },
  repeat_penalty: { schema: { type: 'number', exclusiveMinimum: 0, maximum: 100 }, about: 'Of all tokens so far.' },
  presence_penalty: { schema: number(-2, 2), about: 'Taken from the logits of tokens that the answer has.' },
  frequency_penalty: { schema: number(-2, 2), about: 'The same, as often as the answer has them.' },
  num_ctx: { schema: integer(1), about: "At most the context that the model is loaded with, which is the server's setting." },
  repeat_last_n: { refused: 'penalties look at all tokens; leave it out.', neutral: [-1] },
  typical_p: { refused: NOT_THERE, neutral: [1] },
  tfs_z: { refused: NOT_THERE, neutral: [1] },
  mirostat: { refused: NOT_THERE, neutral: [0] },
  mirostat_tau: { refused: NOT_THERE, neutral: [5] },
  mirostat_eta: { refused: NOT_THERE, neutral: [0.1] },
  penalize_newline: { refused: 'line breaks are tokens as all others; leave it out.', neutral: [true] },
  num_keep: { refused: 'a conversation that does not fit is refused; leave old turns out of it.' },
  num_batch: { refused: AT_START },
  num_gpu: { refused: AT_START },
  main_gpu: { refused: AT_START, neutral: [0] },
  num_thread: { refused: AT_START },
  numa: { refused: AT_START, neutral: [false] },
  low_vram: { refused: AT_START, neutral: [false] },
  f16_kv: { refused: AT_START, neutral: [true] },
  logits_all: { refused: AT_START, neutral: [false] },
  vocab_only: { refused: AT_START, neutral: [false] },
  use_mmap: { refused: AT_START },
  use_mlock: { refused: AT_START, neutral: [false] },
  embedding_only: { refused: AT_START, neutral: [false] },
};

/** Checked values of {@link OPTION_PARAMETERS}. */
export interface OllamaOptions {
  readonly num_predict?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly temperature?: number;
  readonly top_k?: number;
  readonly top_p?: number;
  readonly min_p?: number;
  readonly repeat_penalty?: number;
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly num_ctx?: number;
}

export const KEEP_ALIVE = {
  schema: { anyOf: [{ type: 'number' }, { type: 'string', maxLength: 100 }] },
  about: "How long the model stays after this request: seconds, or '5m'; negative: for good. Default: the server's idleMs.",
} as const;

export interface AnswerParameters {
  readonly model: string;
  readonly stream?: boolean;
  readonly format?: string | Readonly<Record<string, never>>;
  readonly keep_alive?: number | string;
  readonly think?: boolean;
  readonly logprobs?: boolean;
  readonly top_logprobs?: number;
  readonly options?: OllamaOptions;
}

/** Of chats and of single prompts. */
export const ANSWER_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  stream: { schema: { type: 'boolean' }, about: 'Lines of JSON. Default true.' },
  format: { schema: { anyOf: [{ enum: ['json', ''] }, { type: 'object' }] }, about: 'json, or a JSON Schema.' },
  keep_alive: KEEP_ALIVE,
  think: { schema: { type: 'boolean' }, about: 'How much a model thinks cannot be asked for. Default: as its template does.' },
  logprobs: { schema: { type: 'boolean' }, about: 'How likely each token of the answer was.' },
  top_logprobs: { schema: integer(0, 20), about: 'Only with logprobs.' },
  options: { table: OPTION_PARAMETERS, about: 'How the answer is made.' },
  truncate: { refused: 'a conversation that does not fit is refused; leave old turns out of it.', neutral: [false] },
  shift: { refused: 'an answer that meets the end of the context ends there; leave it out.', neutral: [false] },
};
