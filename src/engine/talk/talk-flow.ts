/** Which of text and speech an answer's next step makes, by what it made so far. liquid_audio's two loops, in its `generate_*`. */

/** Numbers of tokens that steer an answer: the same in all of LFM2-Audio's vocabularies. */
export const TALK_TOKENS = { end: 7, audioStart: 128, textEnd: 130 } as const;

/** `interleaved`: text and speech in turns of so many steps. `sequential`: text until the model says otherwise. */
export type TalkMode =
  | { readonly kind: 'interleaved'; readonly text: number; readonly audio: number }
  | { readonly kind: 'sequential' };

/** What a step makes: a token, or a frame of eight codes. A frame that ends the speech has the last code of each codebook. */
export type TalkEvent = { readonly token: number } | { readonly codes: readonly number[] };

/** Whether an event is a frame of sound: one that ends speech is none, nor is one of which any code says so. */
export function isFrame(event: TalkEvent, endOfAudio: number): event is { readonly codes: readonly number[] } {
  return 'codes' in event && !event.codes.includes(endOfAudio);
}

export interface TalkFlow {
  /** What the next step is to make. */
  readonly makes: 'text' | 'audio';
  /** How many steps make the same, if none of them says otherwise. */
  readonly ahead: number;
  /** After a step: whether it belongs to the answer, and whether the answer goes on. */
  take(event: TalkEvent): { readonly isEmitted: boolean; readonly isOver: boolean };
}

/** @param endOfAudio the code that ends speech */
export function createTalkFlow(mode: TalkMode, endOfAudio: number): TalkFlow {
  return mode.kind === 'interleaved' ? interleavedFlow(mode, endOfAudio) : sequentialFlow(endOfAudio);
}

function sequentialFlow(endOfAudio: number): TalkFlow {
  let makes: TalkFlow['makes'] = 'text';
  return {
    get makes() {
      return makes;
    },
    ahead: Infinity,
    take(event) {
      if ('codes' in event) {
        if (event.codes[0] === endOfAudio) makes = 'text';
      } else if (event.token === TALK_TOKENS.audioStart) makes = 'audio';
      return { isEmitted: true, isOver: 'token' in event && event.token === TALK_TOKENS.end };
    },
  };
}

/**
 * The steps left of a turn go on to count where speech ends before its turn is over: the text behind it takes the rest of that turn. Once
 * the text has ended they count below 0, and a step of text that does not end the answer is followed by another turn of speech.
 */
function interleavedFlow({ text, audio }: Extract<TalkMode, { kind: 'interleaved' }>, endOfAudio: number): TalkFlow {
  let makes: TalkFlow['makes'] = 'text';
  let left = text;
  let isTextOver = false;
  return {
    get makes() {
      return makes;
    },
    get ahead() {
      if (makes === 'text') return isTextOver || left < 1 ? 1 : left;
      return isTextOver || left < 1 ? Infinity : left;
    },
    take(event) {
      left -= 1;
      if ('codes' in event) {
        if (left === 0 && !isTextOver) [makes, left] = ['text', text];
        if (event.codes[0] === endOfAudio) makes = 'text';
        return { isEmitted: true, isOver: false };
      }
      if (event.token === TALK_TOKENS.end) return { isEmitted: false, isOver: true };
      if (event.token === TALK_TOKENS.textEnd) isTextOver = true;
      if (left === 0 || isTextOver) [makes, left] = ['audio', audio];
      return { isEmitted: true, isOver: false };
    },
  };
}
