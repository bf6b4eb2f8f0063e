/** How much of an answer's text is heard with its speech, by the times of the voice's words. */
import type { SpokenPiece } from '../../speech/voice-model.ts';
import type { HeardMark } from '../live/answerer.ts';

export interface SpokenMarks {
  /** The next piece of speech, of the text that was written by now. @returns its marks */
  push(written: string, piece: SpokenPiece, sentence: string): readonly HeardMark[];
}

/** @param sampleRate of the voice */
export function createSpokenMarks(sampleRate: number): SpokenMarks {
  /** Of the text, and of the speech. */
  let [at, samples] = [0, 0];
  return {
    push(written, { samples: made, words }, sentence) {
      const marks = words.map(({ text, end }): HeardMark => {
        const found = written.indexOf(text, at);
        if (found >= 0) at = found + text.length;
        return { samples: samples + Math.round(end * sampleRate), textEnd: at };
      });
      samples += made.length;
      if (words.length > 0) return marks;
      // A voice that does not tell its words: a sentence was heard when all of it was.
      const found = written.indexOf(sentence, at);
      if (found >= 0) at = found + sentence.length;
      return [{ samples, textEnd: at }];
    },
  };
}
