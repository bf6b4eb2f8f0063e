/** Tells an answer's thinking from the rest while it streams: `<think>...</think>` at its start, as the engine splits it in the end. */

export interface AnswerPart {
  readonly kind: 'thinking' | 'answer';
  readonly text: string;
}

export interface ThinkingSplitter {
  /** What new text certainly is; text that may yet be part of a tag, or of the white space around one, is held back. */
  push(text: string): AnswerPart[];
  /** What was held back, at the end of the answer. */
  flush(): AnswerPart[];
}

const OPEN = '<think>';
const CLOSE = '</think>';

type State = 'start' | 'thinking' | 'after' | 'answer';

export function createThinkingSplitter(): ThinkingSplitter {
  let state: State = 'start';
  let held = '';
  let hasThought = false;

  /** One step over `held`; false where more text is needed. */
  const step = (parts: AnswerPart[]): boolean => {
    switch (state) {
      case 'start': {
        const text = held.trimStart();
        if (text.startsWith(OPEN)) {
          held = text.slice(OPEN.length);
          state = 'thinking';
          return true;
        }
        if (OPEN.startsWith(text)) return false;
        state = 'answer';
        return true;
      }
      case 'thinking': {
        if (!hasThought) held = held.replace(/^\s+/, '');
        const end = held.indexOf(CLOSE);
        const keep = end < 0 ? certainLength(held) : held.slice(0, end).trimEnd().length;
        if (keep > 0) parts.push({ kind: 'thinking', text: held.slice(0, keep) });
        hasThought ||= keep > 0;
        held = end < 0 ? held.slice(keep) : held.slice(end + CLOSE.length);
        if (end >= 0) state = 'after';
        return end >= 0;
      }
      case 'after':
        held = held.replace(/^\n+/, '');
        if (held === '') return false;
        state = 'answer';
        return true;
      case 'answer':
        if (held !== '') parts.push({ kind: 'answer', text: held });
        held = '';
        return false;
      default:
        throw new Error(`unknown state ${state satisfies never}`);
    }
  };
  const push = (text: string): AnswerPart[] => {
    const parts: AnswerPart[] = [];
    held += text;
    while (step(parts));
    return parts;
  };
  return {
    push,
    flush() {
      const rest = state === 'thinking' ? held.trimEnd() : held;
      const kind = state === 'thinking' ? 'thinking' : 'answer';
      held = '';
      return rest === '' ? [] : [{ kind, text: rest }];
    },
  };
}

/** How much of a thinking text is neither white space at its end nor the beginning of the closing tag. */
function certainLength(text: string): number {
  let length = text.length;
  for (let tail = Math.min(CLOSE.length - 1, text.length); tail > 0; tail--) {
    if (!CLOSE.startsWith(text.slice(-tail))) continue;
    length -= tail;
    break;
  }
  return text.slice(0, length).trimEnd().length;
}
