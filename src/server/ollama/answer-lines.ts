/** An answer in Ollama's form: lines of JSON, or one object. */
import type { FinalPiece, Model, Piece } from '../../engine/api.ts';
import type { AnswerPart, ToolCall } from '../../text/answers/answer-parts.ts';
import { createPartCollector } from '../../text/answers/collect-parts.ts';
import type { Call } from '../call.ts';
import { eventStream } from '../event-stream.ts';
import { contentLogprobs } from '../openai/logprobs.ts';
import { failureEvents, lineOf } from './error-form.ts';

/** What an answer, or a piece of one, says. */
export interface Said {
  readonly content: string;
  readonly thinking: string;
  readonly calls: readonly ToolCall[];
}

export interface OllamaAnswer {
  readonly call: Call;
  readonly model: Model;
  /** As the request named it. */
  readonly name: string;
  readonly pieces: AsyncGenerator<Piece, void, undefined>;
  /** Milliseconds until the model was there. */
  readonly loadMs: number;
  readonly hasLogprobs: boolean;
  /** What this route has of what is said: a message, or a text. */
  readonly body: (said: Said) => object;
}

const nanoseconds = (ms: number) => Math.round(ms * 1e6);

function headOf({ name }: Pick<OllamaAnswer, 'name'>) {
  return { model: name, created_at: new Date().toISOString() };
}

function endOf({ call, loadMs }: OllamaAnswer, { finishReason, usage, timings }: FinalPiece) {
  return {
    done: true,
    done_reason: finishReason === 'length' || finishReason === 'context' ? 'length' : 'stop',
    total_duration: nanoseconds(performance.now() - call.startedAt),
    load_duration: nanoseconds(loadMs),
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: nanoseconds(timings.prefillMs),
    eval_count: usage.completionTokens,
    eval_duration: nanoseconds(timings.decodeMs),
  };
}

function saidOf(parts: readonly AnswerPart[]): Said {
  const collector = createPartCollector();
  collector.add(parts);
  const { content, reasoning, toolCalls } = collector.content();
  return { content, thinking: reasoning, calls: toolCalls };
}

function logprobsOf({ hasLogprobs, model }: OllamaAnswer, pieces: readonly Piece[]) {
  return hasLogprobs ? { logprobs: pieces.flatMap((piece) => contentLogprobs(piece, model)) } : {};
}

async function* answerLines(answer: OllamaAnswer): AsyncGenerator<string, void, undefined> {
  for await (const piece of answer.pieces) {
    const said = saidOf(piece.parts);
    const logprobs = logprobsOf(answer, [piece]);
    const isSilent = said.content === '' && said.thinking === '' && said.calls.length === 0;
    if (piece.finishReason === undefined) {
      if (!isSilent || answer.hasLogprobs) yield lineOf({ ...headOf(answer), ...answer.body(said), ...logprobs, done: false });
      continue;
    }
    // What was held back comes before the line that ends the answer, as Ollama has it.
    const last = isSilent ? '' : lineOf({ ...headOf(answer), ...answer.body(said), done: false });
    const end = { ...headOf(answer), ...answer.body({ content: '', thinking: '', calls: [] }), ...logprobs };
    yield `${last}${lineOf({ ...end, ...endOf(answer, piece) })}`;
  }
}

async function wholeAnswer(answer: OllamaAnswer): Promise<object> {
  const pieces: Piece[] = [];
  for await (const piece of answer.pieces) pieces.push(piece);
  const said = saidOf(pieces.flatMap(({ parts }) => parts));
  return { ...headOf(answer), ...answer.body(said), ...logprobsOf(answer, pieces), ...endOf(answer, pieces.at(-1) as FinalPiece) };
}

export async function respond(answer: OllamaAnswer, isStream: boolean): Promise<Response> {
  if (!isStream) return Response.json(await wholeAnswer(answer));
  const heartbeat = lineOf({ ...headOf(answer), ...answer.body({ content: '', thinking: '', calls: [] }), done: false });
  return eventStream(answer.call, answerLines(answer), { failureEvents, contentType: 'application/x-ndjson', heartbeat });
}

/** What a request that asks for nothing but the model is answered with. */
export function loadedAnswer(name: string, body: OllamaAnswer['body'], reason: 'load' | 'unload'): Response {
  return Response.json({ ...headOf({ name }), ...body({ content: '', thinking: '', calls: [] }), done: true, done_reason: reason });
}
