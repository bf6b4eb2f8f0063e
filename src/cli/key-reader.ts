/** Bytes of a terminal as keys and texts; what was pasted is one text. */
import { EventEmitter } from 'node:events';
import { emitKeypressEvents } from 'node:readline';
import { StringDecoder } from 'node:string_decoder';
import { keyAction } from './edit-keys.ts';
import type { Key, KeyAction } from './edit-keys.ts';

export interface KeyReader {
  take(chunk: Buffer): void;
  /** Does what still waits for more bytes. */
  flush(): void;
}

export interface KeyEvents {
  onText(text: string): void;
  onAction(action: KeyAction): void;
}

/** A long paste without marks comes in several chunks; nobody types a line within this time of another. */
const PASTE_PAUSE_MS = 25;
const UNFINISHED_SEQUENCE = /\u001b[[O]?[\d;]*$/;
const TYPED_OR_PASTED = /^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$/;

/** Line breaks as messages have them. */
function plainBreaks(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/**
 * A terminal marks what is pasted (bracketed paste) where it can. Where it cannot, a chunk of several lines is a paste: a person's
 * Enter comes alone. The line break at such a chunk's end is Enter, unless more follows at once.
 */
export function createKeyReader({ onText, onAction }: KeyEvents): KeyReader {
  const decoder = new StringDecoder('utf8');
  const keys = new EventEmitter();
  let pasted: string[] | undefined;
  let enter: NodeJS.Timeout | undefined;
  /** The last chunk ended within an escape sequence, so that the next one's letters are a part of it. */
  let isInSequence = false;
  emitKeypressEvents(keys as unknown as NodeJS.ReadableStream);
  keys.on('keypress', (text: string | undefined, key: Key) => {
    if (key.name === 'paste-start') pasted ??= [];
    else if (key.name === 'paste-end') endPaste();
    else if (pasted !== undefined) pasted.push(text ?? '');
    else {
      const action = keyAction(key);
      if (action !== undefined) onAction(action);
      else if (text !== undefined && !key.ctrl && !/^[\u0000-\u001f\u007f]/.test(text)) onText(text);
    }
  });
  const endPaste = () => {
    const text = plainBreaks((pasted ?? []).join('')).replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
    pasted = undefined;
    if (text !== '') onText(text);
  };
  const pressEnter = () => {
    clearTimeout(enter);
    enter = undefined;
    onAction('submit');
  };
  const takeText = (text: string) => {
    // Typed fast, or over a slow line: a text that is pasted does not end with one tab alone.
    if (/^[^\t\r\n]+\t$/.test(text)) {
      onText(text.slice(0, -1));
      return onAction('complete');
    }
    const lines = plainBreaks(text);
    const endsLine = lines.endsWith('\n');
    onText(endsLine ? lines.slice(0, -1) : lines);
    if (endsLine) enter = setTimeout(pressEnter, PASTE_PAUSE_MS);
  };
  return {
    take(chunk) {
      const text = decoder.write(chunk);
      const isText = pasted === undefined && !isInSequence && text.length > 1 && TYPED_OR_PASTED.test(text);
      isInSequence = UNFINISHED_SEQUENCE.test(text);
      if (enter !== undefined) {
        if (isText) {
          clearTimeout(enter);
          enter = undefined;
          onText('\n');
        } else pressEnter();
      }
      if (isText) takeText(text);
      else keys.emit('data', text);
    },
    flush() {
      if (pasted !== undefined) endPaste();
      if (enter !== undefined) pressEnter();
    },
  };
}
