/**
 * Files to evaluate a model on. A text, or JSON lines of one of two forms: sequences to measure perplexity on
 * (`{ ids, answer_spans? }` or `{ text }`) and tasks to answer (`{ id, skill, messages, tools?, thinking?, check }`).
 */
import { open, readFile, stat } from 'node:fs/promises';
import type { ChatMessage } from '../engine/api.ts';
import { decodeUtf8 } from '../tensor/decode-utf8.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { pathError } from '../node/file-source.ts';
import { parseCheck } from './task-check.ts';
import type { TaskCheck } from './task-check.ts';
import { isJsonObject } from '../tensor/json.ts';

/** One sequence of perplexity: token ids, or a text still to be tokenized. */
export interface EvaluationSequence {
  readonly ids?: readonly number[];
  readonly text?: string;
  /** [start, end) in `ids`: the tokens that a model answered with. */
  readonly answerSpans: readonly (readonly [number, number])[];
}

export interface EvaluationTask {
  readonly id: string;
  readonly skill: string;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly JsonObject[] | undefined;
  /** For the chat template's `enable_thinking`; undefined leaves it to the template. */
  readonly thinking: boolean | undefined;
  readonly check: TaskCheck;
}

export type EvaluationFile =
  | { readonly kind: 'perplexity'; readonly sequences: readonly EvaluationSequence[] }
  | { readonly kind: 'tasks'; readonly tasks: readonly EvaluationTask[] };

/** A file is read and tokenized as a whole. */
const MOST_BYTES = 2 ** 28;

/** Reads a file of at most 256 MiB. @throws InputError where it cannot be read, FormatError for what is in it */
export async function readEvaluationFile(path: string): Promise<EvaluationFile> {
  return parseEvaluationFile(await readText(path), path);
}

/** @throws InputError where the file cannot be read or is too large, FormatError where it is not UTF-8 */
export async function readText(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new InputError(`${path} is not a regular file. Name a text or a .jsonl file.`);
    await refuseModel(path);
    if (found.size > MOST_BYTES) throw new InputError(`${path} has ${found.size} bytes; at most ${MOST_BYTES} are read. Split the file.`);
    return decodeUtf8(await readFile(path), path);
  } catch (error) {
    throw error instanceof InputError || error instanceof FormatError ? error : pathError(path, error as NodeJS.ErrnoException);
  }
}

/** A model in a text's place is the likeliest mistake, and "not UTF-8" would not tell of it. */
async function refuseModel(path: string): Promise<void> {
  const head = new Uint8Array(9);
  const file = await open(path);
  try {
    await file.read(head, 0, head.length, 0);
  } finally {
    await file.close();
  }
  const text = String.fromCharCode(...head);
  // A safetensors file begins with the size of its header (eight bytes, the high ones 0) and a brace.
  const kind = text.startsWith('GGUF') ? 'GGUF' : text.endsWith('\0\0\0{') || /\.safetensors$/i.test(path) ? 'safetensors' : undefined;
  if (kind !== undefined)
    throw new FormatError(
      `${path} is a model (${kind}), not a text to measure one on. Name a text or a .jsonl file; the model is named apart from it, ` +
        'on the command line with --model.',
    );
}

/** JSON lines by the first line, whatever the file is called; everything else is one text. */
export function parseEvaluationFile(text: string, name: string): EvaluationFile {
  const lines = text
    .split('\n')
    .map((line, index) => ({ text: line.trim(), where: `${name}, line ${index + 1}` }))
    .filter((line) => line.text !== '');
  const [first] = lines;
  if (first === undefined) throw new FormatError(`${name} is empty: expected a text or JSON lines.`);
  if (!/\.jsonl$/i.test(name) && !startsWithObject(first.text)) return { kind: 'perplexity', sequences: [{ text, answerSpans: [] }] };
  const rows = lines.map((line) => ({ row: parseJsonObject(line.text, line.where), where: line.where }));
  const isTasks = rows[0]!.row['check'] !== undefined;
  return isTasks
    ? { kind: 'tasks', tasks: rows.map(({ row, where }) => parseTask(row, where)) }
    : { kind: 'perplexity', sequences: rows.map(({ row, where }) => parseSequence(row, where)) };
}

function startsWithObject(line: string): boolean {
  try {
    return isJsonObject(JSON.parse(line) as JsonValue);
  } catch {
    return false;
  }
}

function parseSequence(row: JsonObject, where: string): EvaluationSequence {
  const { ids, text, answer_spans: spans } = row;
  if (ids === undefined && typeof text === 'string') return { text, answerSpans: [] };
  if (!isIntegers(ids))
    throw new FormatError(`${where}: expected "ids" (token ids) or "text", or "messages" and "check" of a task in every line.`);
  return { ids, answerSpans: parseSpans(spans, ids.length, where) };
}

function isIntegers(value: JsonValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));
}

function parseSpans(value: JsonValue | undefined, length: number, where: string): [number, number][] {
  if (value === undefined) return [];
  const wrong = () => new FormatError(`${where}: expected "answer_spans" as ascending pairs [start, end) within the ${length} ids.`);
  if (!Array.isArray(value)) throw wrong();
  let last = 0;
  return (value as readonly JsonValue[]).map((span) => {
    if (!isIntegers(span) || span.length !== 2) throw wrong();
    const [start, end] = span as [number, number];
    if (start < last || end < start || end > length) throw wrong();
    last = end;
    return [start, end];
  });
}

function parseTask(row: JsonObject, where: string): EvaluationTask {
  const { id, skill, messages, tools, thinking, check } = row;
  if (typeof id !== 'string' || typeof skill !== 'string') throw new FormatError(`${where}: expected texts as "id" and "skill".`);
  if (!isObjects(messages) || messages.length === 0 || !messages.every(isMessage)) {
    throw new FormatError(`${where}: expected "messages" as a list of objects with "role" and "content".`);
  }
  if (tools !== undefined && !isObjects(tools)) throw new FormatError(`${where}: expected "tools" as a list of objects.`);
  if (thinking !== undefined && typeof thinking !== 'boolean') throw new FormatError(`${where}: expected true or false as "thinking".`);
  return {
    id,
    skill,
    messages: messages as readonly unknown[] as readonly ChatMessage[],
    tools,
    thinking,
    check: parseCheck(check, where),
  };
}

function isObjects(value: JsonValue | undefined): value is readonly JsonObject[] {
  return Array.isArray(value) && (value as readonly JsonValue[]).every(isJsonObject);
}

function isMessage({ role, content }: JsonObject): boolean {
  return typeof role === 'string' && (typeof content === 'string' || content === null || content === undefined);
}
