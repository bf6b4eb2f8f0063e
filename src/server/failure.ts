/** What a request is refused with: a status, and the words for its body. */
import { CapacityError, InputError } from '../tensor/errors.ts';

export interface FailureDetails {
  readonly status: number;
  /** OpenAI's kinds. */
  readonly type?: string | undefined;
  /** A word for programs: `model_not_found`. */
  readonly code?: string | undefined;
  /** The parameter that is wrong: `messages[0].content`. */
  readonly param?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What nobody foresaw; it is for the log, and not told to the client. */
  readonly cause?: unknown;
}

export class Failure extends Error {
  override readonly name = 'Failure';
  readonly status: number;
  readonly type: string;
  readonly code: string | undefined;
  readonly param: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(message: string, { status, type, code, param, headers = {}, cause }: FailureDetails) {
    super(message, { cause });
    this.status = status;
    this.type = type ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
    this.code = code;
    this.param = param;
    this.headers = headers;
  }
}

/** A request that cannot be meant. */
export function invalid(message: string, details: Omit<FailureDetails, 'status'> = {}): Failure {
  return new Failure(message, { status: 400, ...details });
}

/** Why a request that ran was stopped from here. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly by: 'client' | 'drain' | 'stall' | 'revocation';

  constructor(by: Stopped['by']) {
    super(`stopped (${by})`);
    this.by = by;
  }
}

/** The engine's options by the names that requests have for them. */
const PARAMETERS: Readonly<Record<string, string>> = {
  maxTokens: 'max_tokens', topK: 'top_k', topP: 'top_p', minP: 'min_p', repetitionPenalty: 'repetition_penalty',
  presencePenalty: 'presence_penalty', frequencyPenalty: 'frequency_penalty', logitBias: 'logit_bias',
  templateVariables: 'chat_template_kwargs', toolChoice: 'tool_choice',
};

const ENGINE_WORD = /\b[a-z]+[A-Z]\w*\b/g;

function inWordsOfRequests(message: string): string {
  return message.replace(ENGINE_WORD, (word) => (Object.hasOwn(PARAMETERS, word) ? (PARAMETERS[word] as string) : word));
}

/** What the engine refuses in words of its library, as requests have it. */
const REFUSALS: readonly (readonly [begins: RegExp, { readonly param: string; readonly code: string; readonly message?: string }])[] = [
  [/^infill needs a model whose vocabulary/, {
    param: 'suffix', code: 'unsupported_parameter',
    message: 'suffix is for models whose vocabulary has tokens for a prefix, a suffix and the middle; this one has none. Leave it out.',
  }],
  [/^rerank needs a model of/, { param: 'model', code: 'unsupported_model' }],
  [/^(generate|rerank|infill) needs a model that predicts tokens/, {
    param: 'model', code: 'unsupported_model', message: 'This model makes embeddings, and predicts no tokens: ask it at /v1/embeddings.',
  }],
  [/^The tool /, { param: 'tools', code: 'invalid_value' }],
];

/** The parameter that a message of the engine begins with, where requests have it. */
function parameterOf(message: string): string | undefined {
  const [, param, name = ''] = /^(([a-z][a-z_]*)(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*)(?=[ :])/.exec(message) ?? [];
  return name === 'messages' || Object.values(PARAMETERS).includes(name) ? param : undefined;
}

function ofInput(error: InputError): Failure {
  const [, refusal] = REFUSALS.find(([begins]) => begins.test(error.message)) ?? [];
  if (refusal !== undefined) return invalid(refusal.message ?? error.message, { param: refusal.param, code: refusal.code });
  // Of what keeps texts out of an answer requests have no parameter.
  const message = inWordsOfRequests(error.message.replace(/, or keep a text out of the answer with bannedTexts\.$/, '.'));
  return invalid(message, { param: parameterOf(message), code: 'invalid_value' });
}

function ofCapacity(error: CapacityError): Failure {
  const { shortage } = error;
  if (shortage !== undefined) {
    const { contextLength, promptTokens, maxTokens } = shortage;
    const found = promptTokens === undefined ? 'The prompt is far longer than that' : `The prompt has ${promptTokens} tokens`;
    const asked = maxTokens === undefined ? '' : `, and ${maxTokens} more were asked for`;
    return invalid(`This model's context is ${contextLength} tokens. ${found}${asked}. Shorten it, or ask for fewer tokens.`, {
      code: 'context_length_exceeded', param: 'messages',
    });
  }
  return new Failure('The server has no room for this request now. Ask again later.', {
    status: 503, code: 'overloaded', headers: { 'retry-after': '1' }, cause: error,
  });
}

const STOPPED: Readonly<Record<Stopped['by'], readonly [message: string, details: FailureDetails]>> = {
  client: ['The request was cancelled.', { status: 499, code: 'cancelled' }],
  drain: ['The server stops.', { status: 503, code: 'stopping' }],
  stall: ['The client took nothing of the stream for too long.', { status: 499, code: 'cancelled' }],
  revocation: ['This API key has been revoked.', { status: 401, type: 'authentication_error', code: 'revoked_api_key' }],
};

/** Any error as what the client is told. Errors that nobody foresaw say no more than that: they may name files. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof InputError) return ofInput(error);
  if (error instanceof CapacityError) return ofCapacity(error);
  if (error instanceof Stopped) return new Failure(...STOPPED[error.by]);
  return new Failure('The server failed at this request. Its log says more under the id in the header x-request-id.', {
    status: 500, code: 'internal_error', cause: error,
  });
}
