/** Text of tokens whose frames are known, and when its words were said. Pure. */
import type { TranscriptWord } from '../../../text/transcript-formats.ts';
import type { Tokenizer } from '../../../text/tokenizer.ts';
import type { FrameToken } from './frame-token.ts';

export interface TimedText {
  /** Without space around it. */
  readonly text: string;
  readonly words: readonly TranscriptWord[];
}

const isMark = (text: string) => /^[^\p{L}\p{N}]+$/u.test(text);

interface OpenWord {
  text: string;
  readonly firstFrame: number;
  endFrame: number;
}

/**
 * A word begins with the token that has a space before it, and is said until its last token is, marks of punctuation left out: they are
 * said in no time.
 * @param frameSeconds of the encoder
 */
export function timedText(tokens: readonly FrameToken[], tokenizer: Pick<Tokenizer, 'streamDecoder'>, frameSeconds: number): TimedText {
  const decoder = tokenizer.streamDecoder({ skipSpecial: true, atStart: true });
  const words: OpenWord[] = [];
  let from: number | undefined;
  const take = (piece: string, first: number, end: number): void => {
    const word = words.at(-1);
    if (word === undefined || /^\s/.test(piece)) words.push({ text: piece, firstFrame: first, endFrame: end });
    else {
      word.text += piece;
      if (!isMark(piece)) word.endFrame = Math.max(word.endFrame, end);
    }
  };
  for (const { id, frame, frames } of tokens) {
    const piece = decoder.push(id);
    from ??= frame;
    // A part of a character waits for the rest of it.
    if (piece === '') continue;
    take(piece, from, frame + Math.max(1, frames));
    from = undefined;
  }
  const rest = decoder.flush();
  const last = tokens.at(-1);
  if (rest !== '' && last !== undefined) take(rest, from ?? last.frame, last.frame + 1);
  const timed = words.map(({ text, firstFrame, endFrame }) => ({ text, start: firstFrame * frameSeconds, end: endFrame * frameSeconds }));
  return { text: words.map(({ text }) => text).join('').trim(), words: timed };
}
