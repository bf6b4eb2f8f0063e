/** The public types of {@link Model.runTools}: functions that a model may call, and what is told while it does. */
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { ToolCall } from '../text/answers/answer-parts.ts';
import type { ChatMessage, ConversationOptions, DecodingOptions, FinishReason, Piece, ToolChoice } from './generation-api.ts';
import type { StandardSchema } from './standard-schema.ts';

/** Arguments as a schema says them: of a Standard Schema its output, else a JSON object. */
export type ToolArguments<Parameters> = Parameters extends StandardSchema<infer Output> ? Output : JsonObject;

export interface ToolContext {
  readonly call: ToolCall;
  /** Which answer of the run asks for it, from 1. */
  readonly round: number;
  /** Aborts when the run does, or is left: a function that takes long should look at it. */
  readonly signal: CancelSignal;
}

/** A function that a model may call. */
export interface ToolFunction<Parameters extends JsonObject | StandardSchema = JsonObject | StandardSchema> {
  readonly name: string;
  /** For the model: what it does, and when to call it. */
  readonly description?: string | undefined;
  /** JSON Schema of an object, or a Standard Schema (zod, valibot, arktype) of one. Absent: no arguments. */
  readonly parameters?: Parameters | undefined;
  /** What the model is told of the arguments, for a Standard Schema that does not say it. */
  readonly jsonSchema?: JsonObject | undefined;
  /**
   * Gets arguments that are valid by `parameters`; of a Standard Schema, what that makes of them. What it returns, or resolves to, is the
   * result: a text as it is, nothing as `null`, all else as JSON. What it throws goes to the model as the result, and into the event.
   */
  run(args: ToolArguments<Parameters>, context: ToolContext): unknown;
}

export interface RunToolsOptions extends DecodingOptions, Omit<ConversationOptions, 'tools' | 'toolChoice'> {
  readonly messages: readonly ChatMessage[];
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- functions of any arguments: each is given its own schema's
  readonly tools: readonly ToolFunction<any>[];
  /** Of the first answer; the others are `auto`, so that a run can end, or `none`. Default `auto`. */
  readonly toolChoice?: ToolChoice | undefined;
  /** Most answers of the model, 1 to 1000; default 10. The calls of the last one are run too, so that the conversation is whole. */
  readonly maxRounds?: number | undefined;
  /** As {@link ChatOptions.cachePrompt}. */
  readonly cachePrompt?: boolean | undefined;
}

/** What a call gave. */
export interface ToolResult {
  /** What the model reads. */
  readonly content: string;
  /** What the function returned; undefined where it threw, or was not run. */
  readonly value: unknown;
  /** What it threw, or why it was not run: no such function, or arguments that are not valid. Undefined for a call that went well. */
  readonly error: Error | undefined;
  readonly durationMs: number;
}

/** `length` and `context`: an answer was cut. `maxRounds`: the model would have gone on. */
export type ToolRunEnd = Exclude<FinishReason, 'tool_calls'> | 'maxRounds';

export interface ToolRunUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export type ToolRunEvent =
  /** A piece of an answer, with its parts. */
  | { readonly type: 'piece'; readonly round: number; readonly piece: Piece }
  /** A whole call of a finished answer, which begins to run: calls of one answer run together. */
  | { readonly type: 'call'; readonly round: number; readonly call: ToolCall }
  /** It is over; those of one answer come in the order in which they end. */
  | { readonly type: 'result'; readonly round: number; readonly call: ToolCall; readonly result: ToolResult }
  | ToolRunResult;

/** The last event. */
export interface ToolRunResult {
  readonly type: 'end';
  readonly reason: ToolRunEnd;
  /** Answers of the model. */
  readonly rounds: number;
  /** What the last answer said. */
  readonly content: string;
  /** The whole conversation: the messages that were given, answers with their calls, and results. */
  readonly messages: readonly ChatMessage[];
  /** Calls of the last answer that it began and that are not whole, so that they were not run. */
  readonly incompleteCalls: number;
  /** Over all answers. */
  readonly usage: ToolRunUsage;
}

/** Runs as it is read. Leaving the loop cancels the rest; errors, those of bad options too, come from the iteration. */
export type ToolRun = AsyncIterableIterator<ToolRunEvent>;
