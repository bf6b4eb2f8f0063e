/** Messages that a pipe holds, one in each line; a line that ends with a backslash goes on in the next one. */
import { InputError } from '../tensor/errors.ts';
import { LEAVE_HINT } from './message-source.ts';
import type { MessageEvent, MessageSource } from './message-source.ts';
import { textDecoder } from './read-stdin.ts';

export interface PipedMessagesOptions {
  readonly input: AsyncIterable<Buffer> & { destroy(): unknown };
  /** Shown before each message where a person types into a terminal that cannot redraw. */
  readonly prompt?: ((text: string) => void) | undefined;
}

/** No context holds a line longer than this, in UTF-16 units. */
const MOST_LINE = 64 * 1024 * 1024;

async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decode = textDecoder('stdin');
  let rest = '';
  const complete = (text: string) => {
    const lines = text.split('\n');
    // Joined, and not searched again: a long line comes in a thousand pieces.
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    if (rest.length > MOST_LINE)
      throw new InputError(`stdin holds a line of more than ${MOST_LINE} characters, which is more than is read.`);
    return lines.map((line) => line.replace(/\r$/, ''));
  };
  for await (const chunk of input) yield* complete(decode(chunk));
  yield* complete(decode(undefined));
  if (rest !== '') yield rest;
}

async function* messagesOf(input: AsyncIterable<Buffer>): AsyncGenerator<{ readonly text: string }> {
  let text: string | undefined;
  for await (const line of linesOf(input)) {
    text = text === undefined ? line : `${text}\n${line}`;
    if (text.endsWith('\\')) text = text.slice(0, -1);
    else {
      yield { text };
      text = undefined;
    }
  }
  if (text !== undefined) yield { text };
}

export function openPipedMessages({ input, prompt }: PipedMessagesOptions): MessageSource {
  const messages = messagesOf(input);
  let interrupted: (() => void) | undefined;
  let leave: (() => void) | undefined;
  let isLeaving = false;
  return {
    async next() {
      prompt?.('> ');
      isLeaving = false;
      const left = new Promise<MessageEvent>((resolve) => (leave = () => resolve('leave')));
      const read = messages.next().then(({ done, value }): MessageEvent => (done === true ? undefined : value));
      read.catch(() => undefined);
      const event = await Promise.race([read, left]);
      leave = undefined;
      return event;
    },
    onInterrupt: (listener) => void (interrupted = listener),
    interrupt() {
      if (leave === undefined) return interrupted?.();
      if (isLeaving) return leave();
      isLeaving = true;
      prompt?.(`\n${LEAVE_HINT}\n> `);
    },
    close: () => void input.destroy(),
  };
}
