import { describe, expect, it } from 'vitest';
import { createStopScanner } from './stop-scanner.ts';

/** What the definition says, on the whole text at once. */
function expected(text: string, stops: string[]): { text: string; stop: string | undefined } {
  for (let at = 0; at < text.length; at++) {
    const stop = stops.find((candidate) => text.startsWith(candidate, at));
    if (stop !== undefined) return { text: text.slice(0, at), stop };
  }
  return { text, stop: undefined };
}

function scan(pieces: string[], stops: string[]): { text: string; stop: string | undefined } {
  const scanner = createStopScanner(stops);
  let text = '';
  for (const piece of pieces) {
    const found = scanner.push(piece);
    text += found.text;
    if (found.stop !== undefined) return { text, stop: found.stop };
  }
  return { text: text + scanner.flush(), stop: undefined };
}

describe('createStopScanner', () => {
  it('holds back only what may begin a stop text', () => {
    const scanner = createStopScanner(['END', '\n\n']);
    expect(scanner.push('one E')).toEqual({ text: 'one ', stop: undefined });
    expect(scanner.push('a\n')).toEqual({ text: 'Ea', stop: undefined });
    expect(scanner.push('b EN')).toEqual({ text: '\nb ', stop: undefined });
    expect(scanner.push('D more')).toEqual({ text: '', stop: 'END' });
  });

  it('gives back what it held when the answer ends', () => {
    const scanner = createStopScanner(['END']);
    expect(scanner.push('the EN').text + scanner.flush()).toBe('the EN');
  });

  it('finds what a search over the whole text finds, however the text is cut', () => {
    let state = 1;
    const random = (n: number) => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8) % n;
    const word = (length: number) => Array.from({ length }, () => 'ab'[random(2)]).join('');
    for (let round = 0; round < 2000; round++) {
      const stops = Array.from({ length: 1 + random(3) }, () => word(1 + random(5)));
      const text = word(random(14));
      const pieces: string[] = [];
      for (let at = 0; at < text.length; ) {
        const length = 1 + random(4);
        pieces.push(text.slice(at, at + length));
        at += length;
      }
      // A stop text that ends sooner may win over one that begins sooner but is longer: nothing after it is ever sampled.
      const got = scan(pieces, stops);
      const whole = expected(pieces.reduce((all, piece) => (expected(all, stops).stop ? all : all + piece), ''), stops);
      expect(got, JSON.stringify({ stops, pieces })).toEqual(whole);
    }
  });
});
