/** Calls whose arguments stand between tags, a value each: those of Qwen3-Coder and of GLM. */
import { beginCall, openReader, writeArguments } from './answer-reader.ts';
import type { AnswerReader, Steps } from './answer-reader.ts';
import { closeCall, jsonCalls, leaveCall, readName } from './json-calls.ts';
import type { CallsReader } from './json-calls.ts';
import { inJsonString, JSON_SYNTAX, PYTHON_SYNTAX, readLiteral } from './read-literal.ts';
import { collectUntil, peek, readUntil, skipSpace, takeMark } from './read-text.ts';
import { QWEN_TAGS } from './tag-settings.ts';
import type { TagSettings } from './tag-settings.ts';
import { valueKind } from './value-kind.ts';
import type { ValueKind } from './value-kind.ts';

function kindOf(reader: AnswerReader, key: string): ValueKind {
  return valueKind(reader.tools.get(reader.call?.name ?? '')?.parameters, key);
}

/** The whole text as one value in JSON; undefined where it is none. */
function wholeLiteral(text: string): string | undefined {
  for (const syntax of [JSON_SYNTAX, PYTHON_SYNTAX]) {
    const options = { vocabulary: { idOf: () => undefined, isSpecial: () => false }, marks: [], tools: [], promptTail: '', callId: String };
    const reader = openReader(options, new Map());
    reader.text = text.trim();
    reader.isOver = true;
    let json = '';
    const steps = readLiteral(reader, syntax, (more) => void (json += more));
    const { value, done } = steps.next();
    if (done === true && value && reader.at === reader.text.length) return json;
  }
  return undefined;
}

function jsonOf(text: string, kind: ValueKind): string {
  const json = wholeLiteral(text);
  const isQuoted = json?.startsWith('"') === true;
  // Of quotes nobody knows whether the model means them where a string may come.
  return json === undefined || (isQuoted && kind === 'either') ? JSON.stringify(text) : json;
}

/** Writes a string as it comes. False where the answer ends in it. */
function* streamString(reader: AnswerReader, { valueEnd, hasLines }: TagSettings): Steps<boolean> {
  writeArguments(reader, '"');
  let held = '';
  const write = (text: string): void => {
    const all = held + text;
    // The last line break may be the tag's.
    held = hasLines && all.endsWith('\n') ? '\n' : '';
    writeArguments(reader, inJsonString(all.slice(0, all.length - held.length)));
  };
  if ((yield* readUntil(reader, [valueEnd], { write })) === undefined) return false;
  writeArguments(reader, '"');
  return true;
}

function* readTaggedValue(reader: AnswerReader, key: string, tags: TagSettings): Steps<boolean> {
  if (tags.hasLines && (yield* peek(reader)) === '\n') reader.at++;
  const kind = kindOf(reader, key);
  if (kind === 'string') return yield* streamString(reader, tags);
  const text = yield* collectUntil(reader, tags.valueEnd);
  if (text === undefined) return false;
  writeArguments(reader, jsonOf(tags.hasLines && text.endsWith('\n') ? text.slice(0, -1) : text, kind));
  return true;
}

/** Arguments up to the closing mark, which is read too. False where something else comes. */
export function* readTagged(reader: AnswerReader, tags: TagSettings, close: string): Steps<boolean> {
  writeArguments(reader, '{');
  for (let isFirst = true; ; isFirst = false) {
    yield* skipSpace(reader);
    if (yield* takeMark(reader, close)) break;
    if (!(yield* takeMark(reader, tags.key))) return false;
    const key = (yield* collectUntil(reader, tags.keyEnd))?.trim();
    if (key === undefined) return false;
    if (tags.value !== undefined) {
      yield* skipSpace(reader);
      if (!(yield* takeMark(reader, tags.value))) return false;
    }
    writeArguments(reader, `${isFirst ? '' : ','}${JSON.stringify(key)}:`);
    if (!(yield* readTaggedValue(reader, key, tags))) return false;
  }
  writeArguments(reader, '}');
  return true;
}

/** The rest of `<function=name>...</function>` behind the equals sign. */
export function functionCalls(close: string | undefined): CallsReader {
  return function* (reader) {
    const name = yield* readName(reader, '>');
    if (name === undefined) return false;
    beginCall(reader, name);
    if (!(yield* readTagged(reader, QWEN_TAGS, '</function>'))) return yield* leaveCall(reader, close ?? '</function>');
    return yield* closeCall(reader, close);
  };
}

/** Behind `<tool_call>`: a function between tags, or a call in JSON, whatever the model was made for. */
export function blockCalls(close: string): CallsReader {
  return function* (reader) {
    yield* skipSpace(reader);
    if (yield* takeMark(reader, '<function=')) return yield* functionCalls(close)(reader);
    return yield* jsonCalls({ close })(reader);
  };
}
