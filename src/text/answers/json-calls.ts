/** Calls that are JSON: `{"name": "f", "arguments": {...}}`, alone or several in an array. */
import { abandonCall, beginCall, endCall, lookAhead, writeArguments } from './answer-reader.ts';
import type { AnswerReader, Steps } from './answer-reader.ts';
import { JSON_SYNTAX, readLiteral } from './read-literal.ts';
import { collectUntil, peek, readUntil, skipSpace, takeMark } from './read-text.ts';

export interface CallSettings {
  /** Ends a call, or all of them, where it is there. */
  readonly close?: string | undefined;
  /** Nothing announces the calls: only names of functions that were given count. */
  readonly isBare?: boolean | undefined;
}

/** Reads a call whose announcing mark has been read; false: there is none, and nothing was written. */
export type CallsReader = (reader: AnswerReader) => Steps<boolean>;

const ARGUMENT_NAMES: ReadonlySet<string> = new Set(['arguments', 'parameters', 'args']);
const ID_NAMES: ReadonlySet<string> = new Set(['id', 'call_id', 'tool_call_id']);

/** What is known of a call while its fields are read. */
interface Fields {
  readonly settings: CallSettings;
  name?: string | undefined;
  id?: string | undefined;
  /** Arguments that came before the name. */
  early?: string | undefined;
  isBegun: boolean;
}

function* collectLiteral(reader: AnswerReader): Steps<string | undefined> {
  let json = '';
  const isRead = yield* readLiteral(reader, JSON_SYNTAX, (text) => void (json += text));
  return isRead ? json : undefined;
}

function* readText(reader: AnswerReader): Steps<string | undefined> {
  if ((yield* peek(reader)) !== '"') return undefined;
  const json = yield* collectLiteral(reader);
  return json === undefined ? undefined : (JSON.parse(json) as string);
}

function begin(reader: AnswerReader, fields: Fields): boolean {
  if (fields.name === undefined || fields.name === '' || (fields.settings.isBare === true && !reader.tools.has(fields.name))) return false;
  beginCall(reader, fields.name, fields.id);
  return (fields.isBegun = true);
}

/** Arguments as text in JSON: some models quote the object once more. Null stands for none. */
function unquoted(json: string): string {
  if (json === 'null') return '{}';
  if (!json.startsWith('"')) return json;
  const text = JSON.parse(json) as string;
  try {
    JSON.parse(text);
    return text;
  } catch {
    return json;
  }
}

function* readArguments(reader: AnswerReader, fields: Fields): Steps<boolean> {
  if (fields.isBegun || fields.early !== undefined) return false;
  const streams = fields.name !== undefined && (yield* peek(reader)) === '{';
  if (streams) return begin(reader, fields) && (yield* readLiteral(reader, JSON_SYNTAX, (text) => writeArguments(reader, text)));
  const json = yield* collectLiteral(reader);
  if (json === undefined) return false;
  fields.early = unquoted(json);
  return true;
}

function* readField(reader: AnswerReader, fields: Fields, key: string): Steps<boolean> {
  if (ARGUMENT_NAMES.has(key)) return yield* readArguments(reader, fields);
  const next = yield* peek(reader);
  if (key === 'function' && next === '{') return yield* readFields(reader, fields);
  if (key === 'name' || key === 'function') return (fields.name = yield* readText(reader)) !== undefined;
  if (ID_NAMES.has(key) && next === '"') {
    const id = yield* readText(reader);
    if (id !== undefined && id !== '') fields.id = id;
    return id !== undefined;
  }
  return (yield* collectLiteral(reader)) !== undefined;
}

function* readFields(reader: AnswerReader, fields: Fields): Steps<boolean> {
  if (!(yield* takeMark(reader, '{'))) return false;
  for (let isFirst = true; ; isFirst = false) {
    yield* skipSpace(reader);
    if (isFirst && (yield* takeMark(reader, '}'))) return true;
    const key = yield* readText(reader);
    if (key === undefined) return false;
    yield* skipSpace(reader);
    if (!(yield* takeMark(reader, ':'))) return false;
    yield* skipSpace(reader);
    if (!(yield* readField(reader, fields, key))) return false;
    yield* skipSpace(reader);
    if (yield* takeMark(reader, '}')) return true;
    if (!(yield* takeMark(reader, ','))) return false;
  }
}

/** One call, up to its closing bracket; the call stays open. False where there is none, or not all of it. */
export function* readJsonCall(reader: AnswerReader, settings: CallSettings): Steps<boolean> {
  const fields: Fields = { settings, isBegun: false };
  if (!(yield* readFields(reader, fields))) return false;
  if (fields.isBegun) return true;
  if (fields.early === undefined && settings.isBare === true) return false;
  if (!begin(reader, fields)) return false;
  writeArguments(reader, fields.early ?? '{}');
  return true;
}

/** After what went wrong: a begun call stays without an end, and all up to the closing mark is left out. */
export function* leaveCall(reader: AnswerReader, close: string | undefined): Steps<boolean> {
  if (reader.call === undefined) return false;
  const leaveOut = (): void => writeArguments(reader, '');
  if (close === undefined) reader.at = reader.text.length;
  yield* readUntil(reader, close === undefined ? [] : [close], { write: leaveOut });
  abandonCall(reader);
  return true;
}

function* closingMark(reader: AnswerReader, close: string): Steps<true | undefined> {
  yield* skipSpace(reader);
  if (yield* takeMark(reader, close)) return true;
  const rest = reader.text.slice(reader.at);
  if (!reader.isOver || rest === '' || !reader.spelling(close).startsWith(rest)) return undefined;
  // The answer was cut in the mark.
  reader.at = reader.text.length;
  return true;
}

/** The end of a call that has been read, with its closing mark where one comes. */
export function* closeCall(reader: AnswerReader, close: string | undefined): Steps<boolean> {
  if (close !== undefined) yield* lookAhead(reader, closingMark(reader, close));
  endCall(reader);
  return true;
}

/** `[call, call]`, where each is read by `readOne`, which leaves it open. */
export function* readCallList(reader: AnswerReader, { close }: CallSettings, readOne: CallsReader): Steps<boolean> {
  if (!(yield* takeMark(reader, '['))) return false;
  for (;;) {
    yield* skipSpace(reader);
    if (!(yield* readOne(reader))) return yield* leaveCall(reader, close);
    yield* skipSpace(reader);
    if (yield* takeMark(reader, ']')) return yield* closeCall(reader, close);
    if (!(yield* takeMark(reader, ','))) {
      // The answer was cut behind a whole call.
      if ((yield* peek(reader)) === '') return yield* closeCall(reader, undefined);
      return yield* leaveCall(reader, close);
    }
    endCall(reader);
  }
}

/** An object, or an array of some. */
export function jsonCalls(settings: CallSettings): CallsReader {
  return function* (reader) {
    yield* skipSpace(reader);
    if ((yield* peek(reader)) === '[') return yield* readCallList(reader, settings, (one) => readJsonCall(one, settings));
    if (!(yield* readJsonCall(reader, settings))) return yield* leaveCall(reader, settings.close);
    return yield* closeCall(reader, settings.close);
  };
}

/** A name up to `open`, without line breaks; undefined for none. */
export function* readName(reader: AnswerReader, open: string): Steps<string | undefined> {
  const name = (yield* collectUntil(reader, open))?.trim();
  return name === undefined || name === '' || /[\s{}"]/.test(name) ? undefined : name;
}
