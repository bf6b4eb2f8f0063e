/** An answer of most dialects: a thought at its start, then text and calls, each behind a mark that announces it. */
import type { ReasoningMarks } from './answer-dialect.ts';
import { abandonCall, startAttempt, takeBack, writeText } from './answer-reader.ts';
import type { AnswerReader, Steps } from './answer-reader.ts';
import type { CallsReader } from './json-calls.ts';
import { peek, readInto, skipBreaks, skipSpace, takeMark } from './read-text.ts';

export interface AnswerForm {
  /** Tried in order; the first is the dialect's own. */
  readonly reasoning: readonly ReasoningMarks[];
  /** By the mark before them. */
  readonly calls?: Readonly<Record<string, CallsReader>> | undefined;
  /** Calls that nothing announces, where the text begins with them. */
  readonly bareCalls?: CallsReader | undefined;
  /** Marks that are not shown, and mean nothing. */
  readonly ignored?: readonly string[] | undefined;
}

const BREAKS = /\n/;
const SPACE = /\s/;

/** All marks that a form knows. */
export function marksOf({ reasoning, calls = {}, ignored = [] }: AnswerForm): readonly string[] {
  return [...reasoning.flatMap(({ open, close }) => [open, close]), ...Object.keys(calls), ...ignored];
}

function* readThought(reader: AnswerReader, close: string): Steps {
  writeText(reader, 'reasoning', '');
  yield* skipBreaks(reader);
  const found = yield* readInto(reader, [close], { kind: 'reasoning', leftOut: BREAKS });
  writeText(reader, 'reasoning', '');
  if (found === undefined) return;
  yield* skipBreaks(reader);
  reader.lastKind = 'text';
}

/** The marks that the answer opens a thought by; undefined where it begins otherwise, and then nothing was read. */
function* openingMarks(reader: AnswerReader, all: readonly ReasoningMarks[]): Steps<ReasoningMarks | undefined> {
  const attempt = startAttempt(reader);
  yield* skipSpace(reader);
  const begin = reader.at;
  for (const marks of all) {
    if (yield* takeMark(reader, marks.open)) {
      reader.attempt = undefined;
      return marks;
    }
    reader.at = begin;
  }
  takeBack(reader, attempt);
  return undefined;
}

function* readFirstThought(reader: AnswerReader, { reasoning }: AnswerForm): Steps {
  const tail = reader.promptTail.trimEnd();
  const opened = reasoning.find(({ open }) => tail.endsWith(open));
  const marks = (yield* openingMarks(reader, opened === undefined ? reasoning : [opened])) ?? opened;
  if (marks !== undefined) yield* readThought(reader, marks.close);
}

/** Reads calls; where there are none, what was read is text. `from`: the attempt that began before what announces them. */
function* tryCalls(reader: AnswerReader, read: CallsReader): Steps<boolean> {
  const attempt = startAttempt(reader);
  if (yield* read(reader)) {
    reader.attempt = undefined;
    return true;
  }
  const isCut = reader.isOver && reader.at === reader.text.length && reader.text.slice(attempt.at).trim() !== '';
  takeBack(reader, attempt);
  if (!isCut) return false;
  // What a mark announced, and the end of the answer cut.
  reader.at = reader.text.length;
  writeText(reader, 'text', '');
  abandonCall(reader);
  return true;
}

function* tryBareCalls(reader: AnswerReader, read: CallsReader): Steps<boolean> {
  const attempt = startAttempt(reader);
  const isRead = yield* read(reader);
  if (isRead) reader.attempt = undefined;
  else takeBack(reader, attempt);
  return isRead;
}

/** Between calls that nothing announces stand spaces and semicolons. */
function* readBareCalls(reader: AnswerReader, read: CallsReader): Steps<boolean> {
  let isAny = false;
  while (
    yield* tryBareCalls(reader, function* (each) {
      yield* skipSpace(each);
      if (isAny && (yield* takeMark(each, ';'))) yield* skipSpace(each);
      return (yield* peek(each)) !== '' && (yield* read(each));
    })
  )
    isAny = true;
  return isAny;
}

function isControl(reader: AnswerReader, mark: string): boolean {
  return reader.spelling(mark) !== mark;
}

/** Text with the calls in it. */
function* readContent(reader: AnswerReader, { reasoning, calls = {}, bareCalls, ignored = [] }: AnswerForm): Steps {
  const hasTools = reader.tools.size > 0;
  const callMarks = hasTools ? Object.keys(calls) : [];
  // Once the answer has begun, only a control token opens a thought.
  const thoughts = reasoning.filter(({ open }) => isControl(reader, open));
  const marks = [...callMarks, ...thoughts.map(({ open }) => open), ...ignored];
  const leftOut = hasTools ? SPACE : undefined;
  let space = '';
  let mayBeBare = hasTools && bareCalls !== undefined;
  for (;;) {
    if (mayBeBare && bareCalls !== undefined && (yield* readBareCalls(reader, bareCalls))) yield* skipSpace(reader);
    mayBeBare = false;
    const mark = yield* readInto(reader, marks, { kind: 'text', leftOut, onLeftOut: (text) => void (space = text) });
    if (mark === undefined) return;
    const thought = thoughts.find(({ open }) => open === mark);
    const read = calls[mark];
    if (thought !== undefined) yield* readThought(reader, thought.close);
    else if (read === undefined || !callMarks.includes(mark)) writeText(reader, 'text', space);
    else if (yield* tryCalls(reader, read)) yield* skipSpace(reader);
    else writeText(reader, 'text', space + reader.spelling(mark));
    mayBeBare = thought !== undefined && hasTools;
  }
}

export function* readAnswer(reader: AnswerReader, form: AnswerForm): Steps {
  yield* readFirstThought(reader, form);
  yield* readContent(reader, form);
}
