/** What an answer is made of, as it streams: text, reasoning and tool calls, each with its tokens. */
import type { JsonObject } from '../../tensor/checkpoint.ts';

/** Text that is said to whoever asked. */
export interface TextPart {
  readonly kind: 'text';
  readonly text: string;
  readonly tokens: readonly number[];
}

/** Text that was thought before it, without the marks around it. */
export interface ReasoningPart {
  readonly kind: 'reasoning';
  readonly text: string;
  readonly tokens: readonly number[];
}

interface CallPart {
  readonly kind: 'toolCall';
  /** Which call of the answer it is, from 0. */
  readonly index: number;
  /** The model's own name of the call where its form has one, else one made of the index: the same on every part of the call. */
  readonly id: string;
  readonly tokens: readonly number[];
}

/** A call is certain, and so is its function. */
export interface CallStartPart extends CallPart {
  readonly phase: 'start';
  readonly name: string;
}

/** The next stretch of the arguments' JSON text: joined, those of a whole call parse, whatever form the model writes them in. */
export interface CallArgumentsPart extends CallPart {
  readonly phase: 'arguments';
  readonly text: string;
}

/** The call is whole: a call that was cut, or whose arguments are no JSON object, never gets one. */
export interface CallEndPart extends CallPart {
  readonly phase: 'end';
  readonly name: string;
  readonly arguments: JsonObject;
}

export type ToolCallPart = CallStartPart | CallArgumentsPart | CallEndPart;

/**
 * A stretch of an answer. `tokens` are those whose text it is made of. A token that only marks (a tag) belongs to the part that it opens
 * or closes, so `text` may be empty where there are tokens; one whose text goes over a border belongs to the part that it ends in. Each
 * token of an answer is in exactly one part, in order.
 */
export type AnswerPart = TextPart | ReasoningPart | ToolCallPart;

/** A whole call. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: JsonObject;
}
