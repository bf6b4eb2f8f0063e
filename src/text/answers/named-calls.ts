/** Calls whose name stands before their arguments: Mistral's `name[ARGS]{...}` and Gemma's `call:name{...}`. */
import { beginCall, writeArguments } from './answer-reader.ts';
import type { AnswerReader, Steps } from './answer-reader.ts';
import { closeCall, jsonCalls, leaveCall, readName } from './json-calls.ts';
import type { CallsReader } from './json-calls.ts';
import { GEMMA_SYNTAX, JSON_SYNTAX, readObject } from './read-literal.ts';
import { peek, readUntil, skipSpace, takeMark, takeWhile } from './read-text.ts';

/** The rest of a call that has begun: an object and what closes it. */
export function* readArgumentsObject(reader: AnswerReader, close: string | undefined, syntax = JSON_SYNTAX): Steps<boolean> {
  yield* skipSpace(reader);
  if (!(yield* readObject(reader, syntax, (json) => writeArguments(reader, json)))) return yield* leaveCall(reader, close);
  return yield* closeCall(reader, close);
}

function* readMistralCall(reader: AnswerReader): Steps<boolean> {
  let name = '';
  const found = yield* readUntil(reader, ['[CALL_ID]', '[ARGS]', '{'], { write: (text) => void (name += text) });
  name = name.trim();
  if (found === undefined || name === '' || /\s/.test(name)) return false;
  let id: string | undefined;
  if (found === '[CALL_ID]') {
    id = (yield* readName(reader, '[ARGS]')) ?? '';
    if (id === '') return false;
  }
  if (found === '{') reader.at--;
  beginCall(reader, name, id);
  return yield* readArgumentsObject(reader, undefined);
}

/** Behind `[TOOL_CALLS]`: an array in JSON, or one call by its name. */
export const mistralCalls: CallsReader = function* (reader) {
  yield* skipSpace(reader);
  const next = yield* peek(reader);
  if (next === '[' || next === '{') return yield* jsonCalls({})(reader);
  return yield* readMistralCall(reader);
};

/** Behind `<|tool_call>` of Gemma 4. */
export const gemmaCalls: CallsReader = function* (reader) {
  yield* skipSpace(reader);
  if (!(yield* takeMark(reader, 'call:'))) return false;
  const name = yield* takeWhile(reader, /[^\s{}]/, 256);
  if (name === '' || (yield* peek(reader)) !== '{') return false;
  beginCall(reader, name);
  return yield* readArgumentsObject(reader, '<tool_call|>', GEMMA_SYNTAX);
};
