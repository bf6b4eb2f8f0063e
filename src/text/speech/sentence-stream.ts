/** Sentences of a text that is being written, each as soon as it is certain where it ends. */
import { splitSentences } from './sentences.ts';

export interface SentenceStream {
  /** @returns the sentences that this text makes whole */
  push(text: string): string[];
  /** The text is over. @returns what is left of it, if anything */
  end(): string[];
}

/** As {@link splitSentences} of the whole text gives them, whatever pieces it comes in. */
export function createSentenceStream(): SentenceStream {
  let rest = '';
  return {
    push(text) {
      rest += text;
      const sentences = [...splitSentences(rest)];
      // How the last one ends is known when the next begins.
      const last = sentences.pop();
      if (last === undefined || sentences.length === 0) return [];
      rest = rest.slice(rest.lastIndexOf(last));
      return sentences;
    },
    end() {
      const sentences = [...splitSentences(rest)];
      rest = '';
      return sentences;
    },
  };
}
