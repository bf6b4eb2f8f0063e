/** Models of the server that the app came from, by its API in OpenAI's form. */
import { readEvents } from './read-events.ts';
import { requestMessages } from './request-messages.ts';
import { KeyNeeded } from './transport.ts';
import type {
  AnswerPiece,
  AnswerRequest,
  Finish,
  LoadOptions,
  ModelEntry,
  ModelKind,
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

interface Delta {
  readonly content?: string | null;
  readonly reasoning_content?: string | null;
  readonly tool_calls?: readonly { index: number; id?: string; function?: { name?: string; arguments?: string } }[];
}

interface Chunk {
  readonly error?: { readonly message: string };
  readonly choices?: readonly { readonly delta: Delta; readonly finish_reason: Finish | null }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  } | null;
}

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

/** @param keyOf the API key as it is now; empty: none */
export function createServerTransport(keyOf: () => string): Transport {
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

  async function* answer({ model, messages, sampling, tools, signal }: AnswerRequest): AsyncGenerator<AnswerPiece> {
    const response = await post(
      'v1/chat/completions',
      {
        model,
        messages: await requestMessages(messages),
        ...samplingOf(sampling),
        tools: tools.length === 0 ? undefined : tools,
        stream: true,
        stream_options: { include_usage: true },
      },
      signal,
    );
    for await (const chunk of readEvents(response.body!) as AsyncIterable<Chunk>) {
      if (chunk.error !== undefined) throw new Error(chunk.error.message);
      yield pieceOf(chunk);
    }
  }

  return {
    kind: 'server',
    place: 'on the server',
    answer,
    async listModels(signal) {
      const { data } = (await (await ask('v1/models', { signal })).json()) as { data: readonly ListedModel[] };
      return data.filter((one) => one.embedding_dimensions === undefined).map(entryOf);
    },
    async load(id, { signal, onProgress }: LoadOptions) {
      onProgress({ phase: 'Loading', share: undefined });
      await post('v1/models/load', { model: id }, signal);
      return id;
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
