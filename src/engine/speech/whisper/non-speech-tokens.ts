/** Tokens that are marks of no speech, for a model whose files list none: openai-whisper's `non_speech_tokens`. Pure. */
import type { Tokenizer } from '../../../text/tokenizer.ts';

const MARKS = [
  ...'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
  ...'<< >> <<< >>> -- --- -( -[ (\' (" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪'.split(' '),
];
/** Of notes the first token counts, however many there are: whoever writes one writes no words. */
const NOTES = [...'♩♪♫♬♭♮♯'];
/** A hyphen or a quotation mark within a word is speech, before one it is not. */
const FIRST_OF = [' -', " '"];

/** Ascending. */
export function nonSpeechTokens({ encode }: Pick<Tokenizer, 'encode'>): number[] {
  const ids = new Set(FIRST_OF.map((text) => encode(text)[0]!));
  for (const mark of [...MARKS, ...NOTES]) {
    for (const text of [mark, ` ${mark}`]) {
      const found = encode(text);
      if (found.length === 1 || NOTES.includes(mark)) ids.add(found[0]!);
    }
  }
  return [...ids].filter((id) => id !== undefined).toSorted((a, b) => a - b);
}
