/** From the tokens of an answer to its text and its parts. Text that may yet belong to a stop text is in neither. */
import type { AnswerDialect, AnswerParser, ToolSignature } from '../text/answers/answer-dialect.ts';
import type { AnswerPart } from '../text/answers/answer-parts.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { createStopScanner } from './stop-scanner.ts';

/** What a token, or the end, adds to the text. */
export interface NewText {
  readonly text: string;
  /** The stop text that was found: nothing comes after it. */
  readonly stop: string | undefined;
}

export interface AnswerText {
  /** Characters that are held back. */
  readonly heldLength: number;
  push(token: number): NewText;
  /** The end token: it has no text, but dialects may know it. */
  pushEnd(token: number): NewText;
  /** No more tokens come: all that was held back. */
  end(): NewText;
  /** The answer is over: all parts become certain. */
  close(): void;
  /** Parts that are certain and were not taken yet. */
  takeParts(): readonly AnswerPart[];
  readonly wholeCalls: number;
  readonly incompleteCalls: number;
}

/** How an answer is read. */
export interface AnswerFormat {
  readonly dialect: AnswerDialect;
  readonly tools: readonly ToolSignature[];
  /** The prompt ends with a part of a thought, which the answer goes on with. Default false. */
  readonly continuesThought?: boolean | undefined;
}

export interface AnswerTextOptions {
  readonly tokenizer: Tokenizer | undefined;
  readonly format: AnswerFormat;
  readonly stops: readonly string[];
  /** The text is of a form to the letter: the tokenizer cleans nothing up. Default false. */
  readonly isExact?: boolean | undefined;
  /** The end of the prompt. */
  readonly promptTail: string;
  /** Tells the calls of one answer from those of others. */
  readonly callId: (index: number) => string;
}

/** A token whose text the parser has not got in full. */
interface WaitingToken {
  /** Undefined: text that is of no token, the end of a character that was cut. */
  readonly id: number | undefined;
  text: string;
  /** The text of a control token, which is not shown. */
  readonly special: string | undefined;
}

const NO_TOKENIZER = { idOf: () => undefined, isSpecial: () => false } as const;

/** Gives the parser the text of waiting tokens as it becomes certain. */
function createQueue(parser: AnswerParser) {
  const waiting: WaitingToken[] = [];
  const finish = ({ id, text, special }: WaitingToken): void => {
    if (text !== '') parser.push(text, false);
    if (special !== undefined) parser.push(special, true);
    if (id !== undefined) parser.endToken(id);
  };
  return {
    add: (token: WaitingToken) => void waiting.push(token),
    /** So many characters are certain. */
    release(length: number): void {
      let left = length;
      for (let first = waiting[0]; first !== undefined && first.text.length <= left; first = waiting[0]) {
        left -= first.text.length;
        finish(first);
        waiting.shift();
      }
      const [partly] = waiting;
      if (partly === undefined || left === 0) return;
      parser.push(partly.text.slice(0, left), false);
      partly.text = partly.text.slice(left);
    },
    /** What is still there is no part of the answer's text. */
    drop: () => waiting.splice(0).forEach((token) => finish({ ...token, text: '' })),
  };
}

export function createAnswerText({ tokenizer, format, stops, promptTail, callId, isExact }: AnswerTextOptions): AnswerText {
  const decoder = tokenizer?.streamDecoder({ skipSpecial: true, cleanUp: isExact !== true });
  // Models pad their vocabulary: ids past the tokenizer's last stand for nothing.
  const known = (token: number) => tokenizer !== undefined && token < tokenizer.vocabSize;
  const scanner = createStopScanner(stops);
  const parser = format.dialect.createParser(tokenizer ?? NO_TOKENIZER, { tools: format.tools, promptTail, callId });
  const queue = createQueue(parser);
  const scan = (token: WaitingToken): NewText => {
    queue.add(token);
    const found = scanner.push(token.text);
    queue.release(found.text.length);
    if (found.stop !== undefined) queue.drop();
    return found;
  };
  const flush = (): NewText => {
    const cut = decoder?.flush() ?? '';
    if (cut !== '') queue.add({ id: undefined, text: cut, special: undefined });
    const rest = scanner.push(cut);
    const text = rest.stop === undefined ? rest.text + scanner.flush() : rest.text;
    queue.release(text.length);
    return { text, stop: rest.stop };
  };
  return {
    get heldLength() {
      return scanner.heldLength;
    },
    push(token) {
      const isSpecial = known(token) && tokenizer?.isSpecial(token) === true;
      const text = known(token) ? (decoder?.push(token) ?? '') : '';
      return scan({ id: token, text, special: isSpecial ? tokenizer?.tokenText(token) : undefined });
    },
    pushEnd(token) {
      const flushed = flush();
      queue.add({ id: token, text: '', special: known(token) ? tokenizer?.tokenText(token) : undefined });
      queue.drop();
      return flushed;
    },
    end: flush,
    close: () => parser.end(),
    takeParts: () => parser.take(),
    get wholeCalls() {
      return parser.wholeCalls;
    },
    get incompleteCalls() {
      return parser.incompleteCalls;
    },
  };
}
