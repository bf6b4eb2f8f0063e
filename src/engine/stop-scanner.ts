/** Finds stop texts in a stream of text, holding back what may be the beginning of one. */

export interface StopScanner {
  /** Text that is certain not to belong to a stop text, and the stop text that was found, after which nothing comes. */
  push(text: string): { readonly text: string; readonly stop: string | undefined };
  /** Characters that are held back. */
  readonly heldLength: number;
  /** What is still held back, when the answer ends otherwise. */
  flush(): string;
}

/** Characters at the end of `text` that begin some stop text. */
function beginningLength(text: string, stops: readonly string[], longest: number): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length--) {
    const tail = text.slice(text.length - length);
    if (stops.some((stop) => stop.length > length && stop.startsWith(tail))) return length;
  }
  return 0;
}

/** The stop text that begins first; of several there, the one listed first. */
function findFirst(text: string, stops: readonly string[]): { at: number; stop: string } | undefined {
  let found: { at: number; stop: string } | undefined;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (found === undefined || at < found.at)) found = { at, stop };
  }
  return found;
}

/** @param stops not empty strings */
export function createStopScanner(stops: readonly string[]): StopScanner {
  const longest = stops.reduce((length, stop) => Math.max(length, stop.length), 0);
  let held = '';
  return {
    get heldLength() {
      return held.length;
    },
    push(text) {
      if (longest === 0) return { text, stop: undefined };
      held += text;
      const found = findFirst(held, stops);
      if (found !== undefined) {
        const before = held.slice(0, found.at);
        held = '';
        return { text: before, stop: found.stop };
      }
      const certain = held.length - beginningLength(held, stops, longest);
      const out = held.slice(0, certain);
      held = held.slice(certain);
      return { text: out, stop: undefined };
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}
