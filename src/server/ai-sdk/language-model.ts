/** A model that predicts text, as the AI SDK calls it. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { AnswerContent, LanguageCallOptions, LanguageModel, LanguageResult, StreamPart } from './api.ts';
import { createPartReader, finishOf, metadataOf, usageOf } from './answer-stream.ts';
import type { ChunkJson, UsageJson } from './answer-stream.ts';
import { chatBody } from './chat-body.ts';
import { requestError } from './request-error.ts';
import { eventData } from '../../text/event-data.ts';
import { ask } from './transport.ts';
import type { Transport } from './transport.ts';

const PATH = '/chat/completions';

interface AnswerJson {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly finish_reason: string;
    readonly message: {
      readonly content: string | null; readonly reasoning_content?: string;
      readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: string } }[];
    };
  }[];
  readonly usage: UsageJson;
}

/** As it is sent: without what is not given. */
function sentBody(body: object): JsonObject {
  return JSON.parse(JSON.stringify(body)) as JsonObject;
}

function contentOf({ choices: [choice] }: AnswerJson): AnswerContent[] {
  const { content, reasoning_content: thought, tool_calls: calls = [] } = choice?.message ?? { content: null };
  // A call that was cut is no call.
  const whole = choice?.finish_reason === 'tool_calls' ? calls : [];
  return [
    ...(thought ? [{ type: 'reasoning' as const, text: thought }] : []),
    ...(content ? [{ type: 'text' as const, text: content }] : []),
    ...whole.map(({ id, function: called }) => ({
      type: 'tool-call' as const, toolCallId: id, toolName: called.name, input: called.arguments === '' ? '{}' : called.arguments,
    })),
  ];
}

async function* partsOf(response: Response, body: JsonObject, options: LanguageCallOptions): AsyncGenerator<StreamPart, void, undefined> {
  yield { type: 'stream-start', warnings: [] };
  const reader = createPartReader();
  let isFirst = true;
  let failure: unknown;
  for await (const data of eventData(response.body as ReadableStream<Uint8Array>)) {
    const chunk = data as ChunkJson;
    if (options.includeRawChunks === true) yield { type: 'raw', rawValue: chunk };
    if (chunk.error !== undefined) {
      failure = requestError({ url: response.url, body, status: undefined, headers: {}, text: JSON.stringify(chunk) });
      break;
    }
    if (isFirst) yield { type: 'response-metadata', ...metadataOf(chunk) };
    isFirst = false;
    yield* reader.add(chunk);
  }
  options.abortSignal?.throwIfAborted();
  yield* reader.end(failure);
}

/** Reads ahead of nobody. */
function streamOf(parts: AsyncGenerator<StreamPart, void, undefined>, { abortSignal }: LanguageCallOptions): ReadableStream<StreamPart> {
  return new ReadableStream<StreamPart>({
    async pull(controller) {
      try {
        const { done, value } = await parts.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(abortSignal?.aborted === true ? abortSignal.reason : error);
      }
    },
    async cancel() {
      await parts.return();
    },
  }, { highWaterMark: 0 });
}

export function languageModel(modelId: string, transport: Transport): LanguageModel {
  return {
    specificationVersion: 'v4', provider: 'ingot', modelId, supportedUrls: {},
    async doGenerate(options): Promise<LanguageResult> {
      const body = sentBody(chatBody(modelId, options));
      const response = await ask(transport, { path: PATH, body, signal: options.abortSignal, headers: options.headers });
      const answer = (await response.json()) as AnswerJson;
      return {
        content: contentOf(answer), finishReason: finishOf(answer.choices[0]?.finish_reason), usage: usageOf(answer.usage), warnings: [],
        request: { body }, response: metadataOf(answer),
      };
    },
    async doStream(options) {
      const body = sentBody({ ...chatBody(modelId, options), stream: true, stream_options: { include_usage: true } });
      const response = await ask(transport, { path: PATH, body, signal: options.abortSignal, headers: options.headers });
      return { stream: streamOf(partsOf(response, body, options), options), request: { body } };
    },
  };
}
