/**
 * An answer that is read while it comes. A dialect is a generator over a reader: it yields where it needs more text, and writes parts.
 * Marks that are control tokens of the vocabulary come as one character each, a lone low surrogate, which no text holds: so text that
 * only spells a mark is told apart, and readers look for strings alone.
 */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import type { AnswerVocabulary, ToolSignature } from './answer-dialect.ts';
import type { AnswerPart } from './answer-parts.ts';

/** Steps of reading: each yield waits for more text, or for the end of the answer. */
export type Steps<Result = void> = Generator<undefined, Result, undefined>;

type Bare<Part> = Part extends unknown ? Omit<Part, 'tokens'> : never;
type Written = Bare<AnswerPart>;

interface Event {
  readonly part: Written;
  /** Characters of the answer that are read when it was written. */
  readonly to: number;
}

/** The call that is being written. */
interface OpenCall {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  json: string;
}

/** What may yet turn out to be something else: parts after it wait. */
export interface Attempt {
  readonly at: number;
  events: number;
}

export interface AnswerReader {
  /** Text that has come; read up to `at`. */
  text: string;
  at: number;
  /** No more text comes. */
  isOver: boolean;
  readonly tools: ReadonlyMap<string, ToolSignature>;
  /** Ends with what the answer goes on from. */
  readonly promptTail: string;
  /** What stands for a mark in the text: itself, or the character of its control token. */
  readonly spelling: (mark: string) => string;
  readonly callId: (index: number) => string;
  readonly events: Event[];
  /** Characters of the answer before `text`. */
  before: number;
  attempt: Attempt | undefined;
  /** Readers that may go back to where they were: what they have read is not forgotten. */
  holds: number;
  call: OpenCall | undefined;
  startedCalls: number;
  wholeCalls: number;
  incompleteCalls: number;
  /** What was written last, of text and reasoning. */
  lastKind: 'text' | 'reasoning';
}

export interface ReaderOptions {
  readonly vocabulary: AnswerVocabulary;
  /** Those of the dialect. */
  readonly marks: readonly string[];
  readonly tools: readonly ToolSignature[];
  readonly promptTail: string;
  readonly callId: (index: number) => string;
}

const FIRST_CONTROL = 0xdc00;
const CONTROLS = /(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** The characters of the marks that are control tokens. */
export function controlCharacters({ vocabulary, marks }: Pick<ReaderOptions, 'vocabulary' | 'marks'>): ReadonlyMap<string, string> {
  const controls = [...new Set(marks)].filter((mark) => {
    const id = vocabulary.idOf(mark);
    return id !== undefined && vocabulary.isSpecial(id);
  });
  return new Map(controls.map((mark, i) => [mark, String.fromCharCode(FIRST_CONTROL + i)]));
}

/** Marks may hold control tokens beside other text. */
function spellingBy(controls: ReadonlyMap<string, string>): (mark: string) => string {
  const known = new Map<string, string>();
  return (mark) => {
    const found = known.get(mark);
    if (found !== undefined) return found;
    let spelled = mark;
    for (const [text, character] of controls) spelled = spelled.replaceAll(text, character);
    known.set(mark, spelled);
    return spelled;
  };
}

export function openReader(options: ReaderOptions, controls: ReadonlyMap<string, string>): AnswerReader {
  return {
    text: '',
    at: 0,
    isOver: false,
    tools: new Map(options.tools.map((tool) => [tool.name, tool])),
    promptTail: options.promptTail,
    spelling: spellingBy(controls),
    callId: options.callId,
    events: [],
    before: 0,
    attempt: undefined,
    holds: 0,
    call: undefined,
    startedCalls: 0,
    wholeCalls: 0,
    incompleteCalls: 0,
    lastKind: 'text',
  };
}

function write(reader: AnswerReader, part: Written): void {
  reader.events.push({ part, to: reader.before + reader.at });
}

/** Writes text that has been read. Empty: what has been read only marks. */
export function writeText(reader: AnswerReader, kind: 'text' | 'reasoning', text: string): void {
  reader.lastKind = kind;
  write(reader, { kind, text: text.replace(CONTROLS, '') });
}

/** From here on parts wait, until {@link beginCall} or {@link takeBack}. */
export function startAttempt(reader: AnswerReader): Attempt {
  return (reader.attempt = { at: reader.at, events: reader.events.length });
}

/** It was nothing: reading goes on where the attempt began. */
export function takeBack(reader: AnswerReader, attempt: Attempt): void {
  reader.at = attempt.at;
  reader.events.length = attempt.events;
  reader.attempt = undefined;
}

/** Tries steps that write nothing: where they give undefined, what they read is read again. */
export function* lookAhead<Result>(reader: AnswerReader, steps: Steps<Result | undefined>): Steps<Result | undefined> {
  const position = reader.before + reader.at;
  reader.holds++;
  const result = yield* steps;
  reader.holds--;
  if (result === undefined) reader.at = position - reader.before;
  return result;
}

/** A call is certain. `id`: the model's own name of it. */
export function beginCall(reader: AnswerReader, name: string, id?: string): void {
  reader.attempt = undefined;
  const index = reader.startedCalls++;
  reader.call = { index, id: id ?? reader.callId(index), name, json: '' };
  write(reader, { kind: 'toolCall', phase: 'start', index, id: reader.call.id, name });
}

/** The next stretch of its arguments. */
export function writeArguments(reader: AnswerReader, text: string): void {
  const { call } = reader;
  if (call === undefined) throw new Error('answer reader: arguments without a call');
  call.json += text;
  write(reader, { kind: 'toolCall', phase: 'arguments', index: call.index, id: call.id, text });
}

/** All of a call has been read. One whose arguments are no object stays without an end. */
export function endCall(reader: AnswerReader): void {
  const { call } = reader;
  const args = call && parseObject(call.json);
  if (call === undefined || args === undefined) return abandonCall(reader);
  reader.call = undefined;
  reader.wholeCalls++;
  write(reader, { kind: 'toolCall', phase: 'end', index: call.index, id: call.id, name: call.name, arguments: args });
}

/** It was cut, or is not valid. */
export function abandonCall(reader: AnswerReader): void {
  if (reader.call !== undefined) writeArguments(reader, '');
  reader.call = undefined;
  reader.attempt = undefined;
  reader.incompleteCalls++;
}

function parseObject(json: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isJsonObject(value as JsonObject) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** Parts that are certain, and how much of the answer each has read; what they read is forgotten. */
export function takeEvents(reader: AnswerReader): readonly Event[] {
  const { attempt, events } = reader;
  const taken = events.splice(0, attempt?.events ?? events.length);
  if (attempt !== undefined) attempt.events = 0;
  else if (reader.holds === 0) {
    reader.text = reader.text.slice(reader.at);
    reader.before += reader.at;
    reader.at = 0;
  }
  return taken;
}
