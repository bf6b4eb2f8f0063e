/** A sentence as words and the marks between them, which are kept while the words become phonemes. */

export interface Clause {
  /** Nothing where only a mark is meant. */
  readonly words: string;
  /** Space before the words, the words' place, and what follows them up to the next words, marks among it. */
  readonly before: string;
  readonly after: string;
}

/** What Kokoro has phonemes for: all others are no part of speech. */
const MARKS = ';:,.!?—…"()“”';
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/[«„]/g, '“'], [/[»‟]/g, '”'], [/[，、]/g, ', '], [/[。]/g, '. '], [/[！]/g, '! '], [/[？]/g, '? '], [/[：]/g, ': '], [/[；]/g, '; '],
  [/\s+[-–—]+\s+|—/g, ' — '], [/[[{]/g, '('], [/[\]}]/g, ')'],
];
const isMark = (character: string): boolean => MARKS.includes(character);

/** Clauses of a sentence: words without marks in them. */
export function splitClauses(sentence: string): Clause[] {
  let text = sentence;
  for (const [pattern, by] of OTHERS) text = text.replace(pattern, by);
  const clauses: Clause[] = [];
  // Marks within words, as in numbers and addresses, were read before.
  for (const [, marks = '', words = '', after = ''] of text.matchAll(/([;:,.!?—…"()“”\s]*)([^;:,.!?—…"()“”]*)([;:,.!?—…"()“”\s]*)/g)) {
    if (marks + words + after === '') continue;
    const trimmed = words.trim();
    const space = words.endsWith(' ') && trimmed !== '' ? ' ' : '';
    clauses.push({ words: trimmed, before: kept(marks), after: kept(`${space}${after}`) });
  }
  return clauses;
}

/** Marks and single spaces. */
function kept(text: string): string {
  return Array.from(text, (character) => (isMark(character) ? character : ' ')).join('').replace(/\s+/g, ' ');
}

/** The marks of a phoneme string in which the words of each clause became `phonemes`. */
export function joinClauses(clauses: readonly Clause[], phonemes: readonly string[]): string {
  return clauses
    .map(({ before, after }, i) => `${before}${phonemes[i] ?? ''}${after}`)
    .join('')
    .replace(/\s+/g, ' ')
    .trim();
}
