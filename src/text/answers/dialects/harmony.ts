/**
 * gpt-oss (harmony): messages `<|channel|>name<|message|>text` that end with `<|end|>`, `<|call|>` or `<|return|>`. The channel `analysis`
 * holds thoughts, `final` the answer, `commentary` words before calls, and a message `to=functions.f` is a call.
 */
import type { AnswerDialect } from '../answer-dialect.ts';
import { abandonCall, beginCall, endCall, lookAhead, writeArguments, writeText } from '../answer-reader.ts';
import type { AnswerReader, Steps } from '../answer-reader.ts';
import { createParser } from '../create-parser.ts';
import { callForms } from '../form-dialect.ts';
import { JSON_SYNTAX, readObject } from '../read-literal.ts';
import { peek, readInto, readUntil, skipSpace, takeMark } from '../read-text.ts';

const START = '<|start|>';
const CHANNEL = '<|channel|>';
const MESSAGE = '<|message|>';
const CONSTRAIN = '<|constrain|>';
const ENDS = ['<|end|>', '<|call|>', '<|return|>', START] as const;

interface Header {
  readonly channel: string;
  readonly recipient: string | undefined;
}

function parseHeader(text: string): Header {
  const channel = text.split(CHANNEL).at(-1) as string;
  return { channel: /^\s*(\w*)/.exec(channel)?.[1] ?? '', recipient: /(?:^|\s)to=(\S+)/.exec(text.replaceAll('<|', ' <|'))?.[1] };
}

/** The header up to the message; undefined where the answer ends in it, or begins with a text. */
function* readHeader(reader: AnswerReader): Steps<Header | undefined> {
  let text = '';
  const marks = [CHANNEL, MESSAGE, CONSTRAIN, START];
  for (;;) {
    const mark = yield* readUntil(reader, marks, { write: (more) => void (text += more) });
    if (mark === undefined) return undefined;
    if (mark === MESSAGE) return parseHeader(text);
    text += mark === START ? ' ' : ` ${mark}`;
  }
}

/** The message of a prompt that ends inside one. */
function openedHeader({ promptTail }: AnswerReader): Header | undefined {
  const at = promptTail.lastIndexOf(START);
  const last = promptTail.slice(at < 0 ? 0 : at);
  const [header, ...rest] = last.split(MESSAGE);
  return header === undefined || rest.length === 0 || ENDS.some((end) => rest.join('').includes(end)) ? undefined : parseHeader(header);
}

function* readCall(reader: AnswerReader, recipient: string): Steps {
  beginCall(reader, recipient.replace(/^functions\./, ''));
  yield* skipSpace(reader);
  const isRead = yield* readObject(reader, JSON_SYNTAX, (json) => writeArguments(reader, json));
  if (isRead) yield* skipSpace(reader);
  let rest = '';
  yield* readUntil(reader, ENDS, { write: (text) => void (rest += text) });
  if (isRead && rest === '') endCall(reader);
  else abandonCall(reader);
}

function* readMessage(reader: AnswerReader, { channel, recipient }: Header): Steps {
  if (recipient !== undefined && recipient !== 'all' && reader.tools.size > 0) return yield* readCall(reader, recipient);
  const kind = channel === 'analysis' ? 'reasoning' : 'text';
  writeText(reader, kind, '');
  yield* readInto(reader, ENDS, { kind });
  writeText(reader, kind, '');
}

/** Whether a header comes: some conversions of the model write a bare text. */
function* headerComes(reader: AnswerReader): Steps<boolean> {
  let isHeader = false;
  const look = function* (): Steps<undefined> {
    yield* skipSpace(reader);
    for (const mark of [CHANNEL, MESSAGE, START, 'to=', 'assistant']) isHeader ||= yield* takeMark(reader, mark);
    return undefined;
  };
  yield* lookAhead(reader, look());
  return isHeader;
}

const BARE: Header = { channel: 'final', recipient: undefined };

function* readHarmony(reader: AnswerReader): Steps {
  const opened = openedHeader(reader);
  if (opened !== undefined) yield* readMessage(reader, opened);
  while ((yield* peek(reader)) !== '') {
    const header = (yield* headerComes(reader)) ? yield* readHeader(reader) : BARE;
    if (header === undefined) return;
    yield* readMessage(reader, header);
  }
}

const rules = { marks: [CHANNEL, MESSAGE, CONSTRAIN, ...ENDS], read: readHarmony };

export const harmony: AnswerDialect = {
  name: 'harmony',
  isFor: (template) => template.includes(CHANNEL) && template.includes(MESSAGE),
  reasoning: { open: `${CHANNEL}analysis${MESSAGE}`, close: '<|end|>', cut: `<|end|>${START}assistant${CHANNEL}final${MESSAGE}` },
  createParser: (vocabulary, options) => createParser(rules, vocabulary, options),
  callGrammar: (tools) => ({
    triggers: [`${CHANNEL}commentary to=`],
    begin: '',
    separator: undefined,
    end: '',
    calls: callForms(tools, {
      begin: (name) => `${CHANNEL}commentary to=functions.${name} ${CONSTRAIN}json${MESSAGE}`,
      end: '<|call|>',
    }),
  }),
};
