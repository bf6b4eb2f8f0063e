/**
 * Tells what a model thought from what it answers while the text streams: `<think>...</think>` at its start, or the rest of a block that
 * the chat template itself opened. Line breaks around the tags belong to neither part.
 */

export interface AnswerPart {
  readonly kind: 'thinking' | 'answer';
  readonly text: string;
}

export interface ReasoningParser {
  /** What new text certainly is; text that may yet be part of a tag, or of the line breaks around one, is held back. */
  push(text: string): readonly AnswerPart[];
  /** What was held back, at the end of the answer: one that was cut while thinking is all reasoning. */
  flush(): readonly AnswerPart[];
}

export interface ReasoningParserOptions {
  /** The prompt ended inside a thinking block: see {@link opensReasoning}. Default false. */
  readonly opened?: boolean | undefined;
}

export interface SplitAnswer {
  readonly reasoning: string;
  readonly content: string;
}

const OPEN = '<think>';
const CLOSE = '</think>';

/** Where the parser stands: before the text says which part it begins with, in a part, or in the line breaks after a tag. */
type State = 'start' | 'opened' | 'thinking' | 'closed' | 'answer';

interface Parse {
  state: State;
  /** Text that came and is not certain yet. */
  held: string;
  readonly parts: AnswerPart[];
}

/** Whether an answer to this rendered prompt begins inside a thinking block. */
export function opensReasoning(prompt: string): boolean {
  return prompt.trimEnd().endsWith(OPEN);
}

/** How much of a reasoning text is neither line breaks at its end nor the beginning of the closing tag. */
function certainLength(text: string): number {
  let length = text.length;
  for (let tail = Math.min(CLOSE.length - 1, text.length); tail > 0; tail--) {
    if (!CLOSE.startsWith(text.slice(-tail))) continue;
    length -= tail;
    break;
  }
  return withoutLastBreaks(text.slice(0, length)).length;
}

function withoutLastBreaks(text: string): string {
  let end = text.length;
  while (text[end - 1] === '\n') end--;
  return text.slice(0, end);
}

function withoutFirstBreaks(text: string): string {
  let begin = 0;
  while (text[begin] === '\n') begin++;
  return text.slice(begin);
}

/** The answer's first characters: a tag with white space before it, or the first part itself. False where more text is needed. */
function findFirstPart(parse: Parse, opened: boolean): boolean {
  const text = parse.held.trimStart();
  if (text.startsWith(OPEN)) {
    parse.held = text.slice(OPEN.length);
    parse.state = 'opened';
    return true;
  }
  if (OPEN.startsWith(text)) return false;
  parse.state = opened ? 'opened' : 'answer';
  return true;
}

/** One step over the text that is held; false where more of it is needed. */
function step(parse: Parse, opened: boolean): boolean {
  switch (parse.state) {
    case 'start':
      return findFirstPart(parse, opened);
    case 'opened':
    case 'closed':
      parse.held = withoutFirstBreaks(parse.held);
      if (parse.held === '') return false;
      parse.state = parse.state === 'opened' ? 'thinking' : 'answer';
      return true;
    case 'thinking': {
      const end = parse.held.indexOf(CLOSE);
      const sure = end < 0 ? certainLength(parse.held) : withoutLastBreaks(parse.held.slice(0, end)).length;
      if (sure > 0) parse.parts.push({ kind: 'thinking', text: parse.held.slice(0, sure) });
      parse.held = end < 0 ? parse.held.slice(sure) : parse.held.slice(end + CLOSE.length);
      if (end >= 0) parse.state = 'closed';
      return end >= 0;
    }
    case 'answer':
      if (parse.held !== '') parse.parts.push({ kind: 'answer', text: parse.held });
      parse.held = '';
      return false;
    default:
      throw new Error(`reasoning parser: unknown state ${parse.state satisfies never}`);
  }
}

export function createReasoningParser({ opened = false }: ReasoningParserOptions = {}): ReasoningParser {
  const parse: Parse = { state: 'start', held: '', parts: [] };
  return {
    push(text) {
      parse.held += text;
      while (step(parse, opened));
      return parse.parts.splice(0);
    },
    flush() {
      const isThinking = parse.state === 'opened' || parse.state === 'thinking' || (parse.state === 'start' && opened);
      const text = isThinking ? withoutLastBreaks(parse.held) : parse.held;
      parse.held = '';
      return text === '' ? [] : [{ kind: isThinking ? 'thinking' : 'answer', text }];
    },
  };
}

/**
 * A whole answer in its two parts.
 * @param opened the prompt ended inside a thinking block
 */
export function splitReasoning(text: string, opened = false): SplitAnswer {
  const parser = createReasoningParser({ opened });
  const found = { thinking: '', answer: '' };
  for (const part of [...parser.push(text), ...parser.flush()]) found[part.kind] += part.text;
  return { reasoning: found.thinking, content: found.answer };
}
