/** Whether an answer is right: the checks of an evaluation's tasks. */
import { isDeepStrictEqual } from 'node:util';
import { Script } from 'node:vm';
import type { JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import type { AnswerContent } from '../text/answers/collect-parts.ts';

/**
 * `exact`: one of these texts. `contains`: all of these, ignoring case. `regex`: this pattern somewhere in the text, without
 * flags. `json`: this value. `tool_call`: these calls, in order. All but the last apply to what follows the thinking.
 */
export type TaskCheck =
  | { readonly type: 'exact' | 'contains'; readonly value: readonly string[] }
  | { readonly type: 'regex'; readonly value: string }
  | { readonly type: 'json'; readonly value: JsonValue }
  | { readonly type: 'tool_call'; readonly value: readonly JsonValue[] };

/** A pattern that takes longer on an answer runs away. */
const MOST_REGEX_MS = 2000;

/** @throws FormatError for an unknown type or a value that it cannot have */
export function parseCheck(check: JsonValue | undefined, where: string): TaskCheck {
  if (!isJsonObject(check)) throw new FormatError(`${where}: expected an object with "type" and "value" as "check".`);
  const { type, value } = check;
  const wrong = (expected: string) => new FormatError(`${where}: a check of type ${JSON.stringify(type)} needs ${expected} as "value".`);
  switch (type) {
    case 'exact':
    case 'contains':
      if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw wrong('a list of texts');
      return { type, value };
    case 'regex':
      if (typeof value !== 'string' || !isPattern(value)) throw wrong('a regular expression');
      return { type, value };
    case 'json':
      if (value === undefined) throw wrong('a JSON value');
      return { type, value };
    case 'tool_call':
      if (!Array.isArray(value)) throw wrong('a list of calls');
      return { type, value };
    default:
      throw new FormatError(`${where}: the check's type must be exact, contains, regex, json or tool_call, found ${JSON.stringify(type)}.`);
  }
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
}

/** What is looked at of an answer: what was thought before it does not count. */
export interface CheckedAnswer extends Pick<AnswerContent, 'content' | 'toolCalls'> {
  /** Default 0. */
  readonly incompleteCalls?: number | undefined;
}

/** Whether an answer is right. */
export function passesCheck({ content, toolCalls, incompleteCalls = 0 }: CheckedAnswer, check: TaskCheck): boolean {
  const text = content.trim();
  switch (check.type) {
    case 'exact':
      return check.value.some((value) => value.trim() === text);
    case 'contains':
      return check.value.every((value) => text.toLowerCase().includes(value.toLowerCase()));
    case 'regex':
      return matches(check.value, text);
    case 'json':
      return equalsJson(withoutFence(text), check.value);
    case 'tool_call': {
      const calls = toolCalls.map(({ name, arguments: args }): JsonValue => ({ name, arguments: args }));
      return incompleteCalls === 0 && isSame(calls, check.value);
    }
    default:
      return check satisfies never;
  }
}

/** The pattern comes from a file, so that it runs under a time limit, which only a script of its own can have. */
function matches(source: string, text: string): boolean {
  try {
    return new Script('new RegExp(source).test(text)').runInNewContext({ source, text }, { timeout: MOST_REGEX_MS }) === true;
  } catch (error) {
    throw new FormatError(
      `The check's pattern ${JSON.stringify(source)} took more than ${MOST_REGEX_MS} ms on an answer of ${text.length} characters. ` +
        'Write it without nested repeats.',
      { cause: error },
    );
  }
}

/** A model may put JSON between ``` lines. */
function withoutFence(text: string): string {
  return text.replace(/^```(?:json)?[ \t]*\n/, '').replace(/\n?```$/, '');
}

function equalsJson(text: string, value: JsonValue): boolean {
  try {
    return isSame(JSON.parse(text) as JsonValue, value);
  } catch {
    return false;
  }
}

function isSame(value: JsonValue, other: JsonValue): boolean {
  return isDeepStrictEqual(withPlainZero(value), withPlainZero(other));
}

/** -0 and 0 are one number. */
function withPlainZero(value: JsonValue): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
