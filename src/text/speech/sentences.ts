/** Sentences of a text, one after another, so that speaking begins with the first. */

/** A sentence is cut where it gets longer, in characters. */
const MOST_CHARACTERS = 400;

/** Words whose dot does not end a sentence. */
const SHORT = new Set([
  'mr', 'mrs', 'ms', 'dr', 'prof', 'st', 'mt', 'ft', 'gen', 'col', 'maj', 'capt', 'lt', 'sgt', 'rev', 'hon', 'gov', 'sen', 'rep', 'pres',
  'jr', 'sr',
  'no', 'nos', 'vol', 'fig', 'ch', 'sec', 'pp', 'p', 'vs', 'approx', 'dept', 'est', 'e.g', 'i.e', 'cf', 'ca', 'al', 'jan', 'feb', 'mar',
  'apr',
  'jun', 'jul', 'aug', 'sep', 'sept', 'oct', 'nov', 'dec', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun',
]);

const CLOSING = /["'”’)\]»]/;

/**
 * Sentences, without the space around them; none is empty. They end with a line, with marks that end sentences (also those of Chinese,
 * Japanese and Hindi), and where they get longer than 400 characters: behind a mark, else at a space, else there.
 */
export function* splitSentences(text: string): Generator<string> {
  for (const line of text.split(/[\r\n\u2028\u2029]+/)) {
    let start = 0;
    while (start < line.length) {
      const end = sentenceEnd(line, start);
      for (const part of shortened(line.slice(start, end).trim())) if (part !== '') yield part;
      start = end;
    }
  }
}

/** Where the sentence that begins at `start` ends. */
function sentenceEnd(line: string, start: number): number {
  for (let at = start; at < line.length; at++) {
    const mark = line[at] as string;
    if ('。！？।'.includes(mark)) return at + 1;
    if (!'.!?…'.includes(mark)) continue;
    let end = at + 1;
    while (end < line.length && ('.!?…'.includes(line[end] as string) || CLOSING.test(line[end] as string))) end++;
    // Marks behind this one that stand before the same letter are not looked at again: a text may have thousands.
    if (end < line.length && !/\s/.test(line[end] as string)) {
      at = end - 1;
      continue;
    }
    if (mark === '.' && end === at + 1 && !endsSentence(line, start, at)) continue;
    if (!/^\s+[a-z]/.test(line.slice(end, end + 4)) || /[!?]/.test(line.slice(at, end))) return end;
    at = end - 1;
  }
  return line.length;
}

/** Whether the dot at `at` is more than a part of the word before it. */
function endsSentence(line: string, start: number, at: number): boolean {
  const word = /[\w.]*$/.exec(line.slice(Math.max(start, at - 20), at))?.[0] ?? '';
  const isLast = /^\s*$/.test(line.slice(at + 1, at + 20));
  // An initial, but for a sentence that ends in I.
  return isLast || !(SHORT.has(word.toLowerCase()) || (/^[A-Z]$/.test(word) && word !== 'I'));
}

function* shortened(sentence: string): Generator<string> {
  let rest = sentence;
  while (rest.length > MOST_CHARACTERS) {
    const cut = cutAt(rest, MOST_CHARACTERS);
    yield rest.slice(0, cut).trim();
    rest = rest.slice(cut).trim();
  }
  yield rest;
}

/** The best place at or before `most`: behind a mark that is not too near the beginning, a space, or `most` between whole characters. */
function cutAt(text: string, most: number): number {
  const head = text.slice(0, most);
  for (const marks of [/[.!?…][^.!?…]*$/, /[;:][^;:]*$/, /[,—–][^,—–]*$/]) {
    const found = marks.exec(head);
    if (found !== null && found.index > most / 4) return found.index + 1;
  }
  const space = head.lastIndexOf(' ');
  if (space > 0) return space;
  return /[\ud800-\udbff]$/.test(head) ? most - 1 : most;
}

/** Whether there is anything in it to be spoken: a letter or a digit of any writing. */
export function hasWords(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}
