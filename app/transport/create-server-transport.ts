/** Models of the server that the app came from, by its API in OpenAI's form. */
import { eventData } from 'ingot/browser/load';
import { HUB } from './known-models.ts';
import { requestMessages } from './request-messages.ts';
import { KeyNeeded } from './transport.ts';
import type {
  AnswerPiece,
  AnswerRequest,
  Finish,
  LoadOptions,
  ModelEntry,
  ModelKind,
  ModelList,
  ModelStatus,
  Sampling,
  Transport,
} from './transport.ts';

/** As `/v1/models` has them. */
interface ListedModel {
  readonly id: string;
  readonly kind: ModelKind;
  readonly status: 'unloaded' | 'loading' | 'loaded' | 'unloading';
  readonly memory_bytes: number;
  readonly needed_bytes?: number;
  readonly fits?: boolean;
  readonly alias_of?: string;
  readonly max_model_len?: number;
  readonly input_modalities?: readonly string[];
  readonly device?: string;
  readonly embedding_dimensions?: number;
}

/** `/v1/models`. */
interface Listed {
  readonly data: readonly ListedModel[];
  /** Null where whoever asks may download none. */
  readonly downloads?: { readonly memory_bytes: number | null } | null;
}

/** An event of a download: how far it is, or at its end the model's entry. */
interface Downloaded {
  readonly object: 'model.download' | 'model';
  readonly id: string;
  readonly loaded: number;
  readonly total: number;
}

interface Delta {
  readonly content?: string | null;
  readonly reasoning_content?: string | null;
  readonly tool_calls?: readonly { index: number; id?: string; function?: { name?: string; arguments?: string } }[];
}

interface Chunk {
  readonly choices?: readonly { readonly delta: Delta; readonly finish_reason: Finish | null }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  } | null;
}

const NO_DOWNLOADS = 'This server has the models that it was started with, and downloads none (ingot serve --allow-downloads lets it).';

/** @returns the server's own words where it has some */
async function failureOf(response: Response): Promise<Error> {
  const told = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  const message = told?.error?.message ?? `The server answered with status ${response.status}.`;
  return response.status === 401 ? new KeyNeeded(message) : new Error(message);
}

function entryOf(model: ListedModel): ModelEntry {
  const status: ModelStatus = model.status === 'unloading' ? 'unloaded' : model.status;
  const takes = model.input_modalities?.filter((one) => one === 'image' || one === 'audio');
  return {
    id: model.id,
    name: model.id,
    kind: model.kind,
    status,
    fits: model.fits,
    takes,
    bytes: model.needed_bytes || model.memory_bytes || undefined,
    contextLength: model.max_model_len,
    where: model.alias_of === undefined ? model.device : `another name of ${model.alias_of}`,
  };
}

/** A model takes a little more memory than its file, and the states of an answer. */
const MEMORY_OVER_FILE = 1.2;

/** Models that a server which downloads has not yet. */
function offeredBeside(there: readonly ListedModel[], memoryBytes: number | null): readonly ModelEntry[] {
  const isThere = (id: string) => there.some((one) => one.id === id);
  const unknown = { contextLength: undefined, takes: undefined, where: undefined };
  return HUB.filter(({ id }) => !isThere(id)).map(({ id, name, bytes, kind }) => ({
    ...unknown,
    id,
    name,
    kind,
    status: 'absent',
    bytes,
    fits: memoryBytes === null || bytes === undefined ? undefined : bytes * MEMORY_OVER_FILE <= memoryBytes,
  }));
}

function samplingOf(sampling: Sampling): object {
  return {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    min_p: sampling.minP,
    repetition_penalty: sampling.repetitionPenalty,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    max_tokens: sampling.maxTokens,
    seed: sampling.seed,
    stop: sampling.stop?.length === 0 ? undefined : sampling.stop,
    reasoning_effort: sampling.thinks === false ? 'none' : undefined,
  };
}

function pieceOf({ choices = [], usage }: Chunk): AnswerPiece {
  const { delta, finish_reason: finish } = choices[0] ?? {};
  return {
    text: delta?.content ?? undefined,
    reasoning: delta?.reasoning_content ?? undefined,
    finish: finish ?? undefined,
    toolCalls: delta?.tool_calls?.map(({ index, id, function: of }) => ({ index, id, name: of?.name, arguments: of?.arguments })),
    usage:
      (usage && {
        promptTokens: usage.prompt_tokens,
        completionTokens: usage.completion_tokens,
        cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
      }) ||
      undefined,
  };
}

/** Requests to the server. @throws KeyNeeded; Error in words for a person; the signal's reason */
function createAsking(keyOf: () => string) {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { ...(init.headers as Record<string, string>), ...(keyOf() === '' ? {} : { authorization: `Bearer ${keyOf()}` }) };
    const response = await fetch(path, { ...init, headers }).catch((error: unknown) => {
      if (init.signal?.aborted) throw error;
      throw new Error('The server cannot be reached. Chats of this browser are here all the same.', { cause: error });
    });
    if (!response.ok) throw await failureOf(response);
    return response;
  };
  const post = (path: string, body: object, signal?: AbortSignal) =>
    ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal });
  /** Events of a stream; one that breaks off fails in words. */
  async function* events(path: string, body: object, signal: AbortSignal): AsyncGenerator<object> {
    const response = await post(path, body, signal);
    try {
      for await (const event of eventData(response.body!)) {
        const { error } = event as { readonly error?: { readonly message: string } };
        if (error !== undefined) throw new Error(error.message);
        yield event as object;
      }
    } catch (error) {
      // What a browser says of a connection that is gone differs, and says nothing.
      if (signal.aborted || !(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      throw new Error(BROKEN_OFF, { cause: error });
    }
  }
  return { ask, post, events };
}

const BROKEN_OFF = 'The connection to the server broke off.';

async function* answerOf(events: AsyncGenerator<object>): AsyncGenerator<AnswerPiece> {
  let isWhole = false;
  for await (const chunk of events as AsyncGenerator<Chunk>) {
    const piece = pieceOf(chunk);
    isWhole ||= piece.finish !== undefined;
    yield piece;
  }
  if (!isWhole) throw new Error(BROKEN_OFF);
}

async function chatBody({ model, messages, sampling, tools }: AnswerRequest): Promise<object> {
  return {
    model,
    messages: await requestMessages(messages),
    ...samplingOf(sampling),
    tools: tools.length === 0 ? undefined : tools,
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** @param keyOf the API key as it is now; empty: none */
export function createServerTransport(keyOf: () => string): Transport {
  const { ask, post, events } = createAsking(keyOf);
  /** Ids that the server has, as it listed them last. */
  let served: ReadonlySet<string> = new Set();

  const listModels = async (signal?: AbortSignal): Promise<ModelList> => {
    const { data, downloads } = (await (await ask('v1/models', { signal })).json()) as Listed;
    served = new Set(data.map(({ id }) => id));
    const models = data.filter((one) => one.embedding_dimensions === undefined).map(entryOf);
    if (downloads === undefined || downloads === null) return { models, noDownloads: NO_DOWNLOADS };
    return { models: [...models, ...offeredBeside(data, downloads.memory_bytes)], noDownloads: undefined };
  };

  /** @returns what the server calls it */
  const download = async (model: string, { signal, onProgress }: LoadOptions): Promise<string> => {
    onProgress({ phase: 'Downloading', share: undefined });
    for await (const event of events('v1/models/download', { model }, signal) as AsyncGenerator<Downloaded>) {
      if (event.object === 'model') return event.id;
      const { loaded, total } = event;
      onProgress({ phase: 'Downloading', share: total > 0 ? loaded / total : undefined });
    }
    throw new Error(BROKEN_OFF);
  };

  return {
    kind: 'server',
    place: 'on the server',
    nameable: 'owner/name of Hugging Face, or a short name',
    listModels,
    async *answer(request: AnswerRequest) {
      yield* answerOf(events('v1/chat/completions', await chatBody(request), request.signal));
    },
    async load(id, options: LoadOptions) {
      const model = served.has(id) ? id : await download(id, options);
      options.onProgress({ phase: 'Loading', share: undefined });
      await post('v1/models/load', { model }, options.signal);
      return model;
    },
    async unload(id) {
      await post('v1/models/unload', { model: id });
    },
    async transcribe(model, sound, signal) {
      const form = new FormData();
      form.set('model', model);
      form.set('file', sound, 'speech.wav');
      const response = await ask('v1/audio/transcriptions', { method: 'POST', body: form, signal });
      return ((await response.json()) as { text: string }).text.trim();
    },
    async speak(model, input, signal) {
      const response = await post('v1/audio/speech', { model, input, response_format: 'wav' }, signal);
      return new Blob([await response.arrayBuffer()], { type: 'audio/wav' });
    },
  };
}
