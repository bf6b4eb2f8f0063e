/** transformers' `clean_up_tokenization_spaces`: takes out the spaces that stand before punctuation and endings of English words. */
import type { StreamDecoder } from '../stream-decoder.ts';

const changes = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
] as const;

const cleanUp = (text: string): string => changes.reduce((done, [from, to]) => done.replaceAll(from, to), text);

/** What a change may go across; behind any other character a text can be cut. */
const openEnd = /[ .?!,'ntmsvre]*$/;

/** A stream of clean text. Its ends are held back for as long as they may still change. */
export function cleanUpStream(stream: StreamDecoder): StreamDecoder {
  let held = '';
  return {
    push(id) {
      held += stream.push(id);
      const done = held.slice(0, openEnd.exec(held)!.index);
      held = held.slice(done.length);
      return cleanUp(done);
    },
    flush() {
      const rest = held + stream.flush();
      held = '';
      return cleanUp(rest);
    },
  };
}
