/** Calls as Python writes them: `[get_weather(city="Paris"), get_time()]`. */
import { isJsonObject } from '../../tensor/json.ts';
import { beginCall, lookAhead, writeArguments } from './answer-reader.ts';
import type { AnswerReader, Steps } from './answer-reader.ts';
import { closeCall, jsonCalls, leaveCall, readCallList, readJsonCall } from './json-calls.ts';
import type { CallSettings, CallsReader } from './json-calls.ts';
import { PYTHON_SYNTAX, readLiteral } from './read-literal.ts';
import { peek, skipSpace, takeMark, takeWhile } from './read-text.ts';

const LONGEST_NAME = 256;

function* keyword(reader: AnswerReader): Steps<string | undefined> {
  const word = yield* takeWhile(reader, /\w/, LONGEST_NAME);
  yield* skipSpace(reader);
  return word !== '' && (yield* takeMark(reader, '=')) ? word : undefined;
}

/** The name of the argument that comes next; a value without one is that of the function's next parameter. */
function* readKeyword(reader: AnswerReader, position: number): Steps<string | undefined> {
  const word = yield* lookAhead(reader, keyword(reader));
  if (word !== undefined) return word;
  const properties = reader.tools.get(reader.call?.name ?? '')?.parameters?.['properties'];
  return isJsonObject(properties) ? Object.keys(properties)[position] : undefined;
}

function* readKeywords(reader: AnswerReader): Steps<boolean> {
  const write = (json: string): void => writeArguments(reader, json);
  write('{');
  for (let position = 0; ; position++) {
    yield* skipSpace(reader);
    if (yield* takeMark(reader, ')')) break;
    const key = yield* readKeyword(reader, position);
    if (key === undefined) return false;
    write(`${position === 0 ? '' : ','}${JSON.stringify(key)}:`);
    yield* skipSpace(reader);
    if (!(yield* readLiteral(reader, PYTHON_SYNTAX, write))) return false;
    yield* skipSpace(reader);
    if (yield* takeMark(reader, ')')) break;
    if (!(yield* takeMark(reader, ','))) return false;
  }
  write('}');
  return true;
}

/** One call up to its closing bracket; it stays open. */
export function* readPythonicCall(reader: AnswerReader, { isBare = false }: CallSettings): Steps<boolean> {
  const name = yield* takeWhile(reader, /[\w.-]/, LONGEST_NAME);
  yield* skipSpace(reader);
  if (name === '' || !(yield* takeMark(reader, '('))) return false;
  if (isBare && !reader.tools.has(name)) return false;
  beginCall(reader, name);
  return yield* readKeywords(reader);
}

/** A list of calls, one call without brackets, or calls in JSON. */
export function pythonicCalls(settings: CallSettings): CallsReader {
  return function* (reader) {
    yield* skipSpace(reader);
    const next = yield* peek(reader);
    if (next === '{') return yield* jsonCalls(settings)(reader);
    if (next !== '[') {
      if (!(yield* readPythonicCall(reader, settings))) return yield* leaveCall(reader, settings.close);
      return yield* closeCall(reader, settings.close);
    }
    return yield* readCallList(reader, settings, function* (one) {
      if ((yield* peek(one)) === '{') return yield* readJsonCall(one, settings);
      return yield* readPythonicCall(one, settings);
    });
  };
}

