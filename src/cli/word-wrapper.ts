/** Breaks a text at words while it streams, so that a terminal does not break it inside of them. */
import { STYLE_MARKS } from './markdown-styles.ts';
import { graphemesOf, widthOf } from './text-width.ts';

export interface WordWrapper {
  /** Writes what is certain; the last word is held back until something follows it. */
  push(text: string): void;
  /** Writes the word that was held back. */
  flush(): void;
  isAtLineStart(): boolean;
}

export interface WordWrapperOptions {
  /** Columns of the terminal; asked for each word, so that a resize counts from the next one. */
  columns(): number;
  write(text: string): void;
}

type Unit = { readonly kind: 'word' | 'gap' | 'newline'; readonly text: string };

/** Characters that may not begin a line, and those that may not end one, where a text is written without spaces. */
const NEVER_FIRST = /^[\p{Pe}\p{Pf}\u3001\u3002\u30fc\u2026\uff01\uff0c\uff0e\uff1a\uff1b\uff1f!,.:;?)\]}%\u2019\u201d]/u;
const NEVER_LAST = /[\p{Ps}\p{Pi}([{\u2018\u201c]$/u;
/** Scripts without spaces whose characters are one column wide: words are told apart by a dictionary. */
const DICTIONARY_SCRIPTS = /[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const TAB_COLUMNS = 8;

function kindOf(grapheme: string): Unit['kind'] {
  if (grapheme === '\n' || grapheme === '\r\n') return 'newline';
  return grapheme === ' ' || grapheme === '\t' ? 'gap' : 'word';
}

function mayBreakBetween(before: string, after: string): boolean {
  return (widthOf(before) > 1 || widthOf(after) > 1) && !NEVER_FIRST.test(after) && !NEVER_LAST.test(before);
}

function splitWord(word: string): string[] {
  if (DICTIONARY_SCRIPTS.test(word))
    return Array.from(new Intl.Segmenter(undefined, { granularity: 'word' }).segment(word), ({ segment }) => segment);
  return [word];
}

/** Words, the gaps between them, and line breaks; East Asian characters and emoji are words of their own. */
function unitsOf(text: string): Unit[] {
  const units: Unit[] = [];
  let last = '';
  for (const grapheme of graphemesOf(text)) {
    const kind = kindOf(grapheme);
    const unit = units.at(-1);
    const joins = unit?.kind === kind && kind !== 'newline' && (kind === 'gap' || !mayBreakBetween(last, grapheme));
    if (joins) units[units.length - 1] = { kind, text: unit.text + grapheme };
    else units.push({ kind, text: grapheme });
    last = grapheme;
  }
  return units.flatMap((unit) => (unit.kind === 'word' ? splitWord(unit.text).map((word) => ({ ...unit, text: word })) : [unit]));
}

/** A dictionary tells the last words of a text apart only by what follows them. */
const UNSURE_WORDS = 4;

/** Takes the words off the end that may not be whole yet. */
function takeUnfinished(units: Unit[]): string {
  let unfinished = '';
  const most = DICTIONARY_SCRIPTS.test(units.at(-1)?.text ?? '') ? UNSURE_WORDS : 1;
  for (let count = 0; count < most && units.at(-1)?.kind === 'word'; count++) unfinished = units.pop()!.text + unfinished;
  return unfinished;
}

function gapWidth(gap: string, column: number): number {
  return [...gap].reduce((width, space) => width + (space === '\t' ? TAB_COLUMNS - ((column + width) % TAB_COLUMNS) : 1), 0);
}

/** The terminal broke the line; one that is exactly full has not been broken yet. */
function columnAfter(end: number, columns: number): number {
  return end <= columns ? end : ((end - 1) % columns) + 1;
}

/**
 * A word that is wider than the terminal (a URL) begins a line of its own and is left to the terminal to break, so that it can be
 * copied whole; so are the lines of a fenced code block.
 */
export function createWordWrapper({ columns, write }: WordWrapperOptions): WordWrapper {
  let held = '';
  let column = 0;
  let gap = '';
  let line = '';
  let isCode = false;
  /** The word under way is longer than a line, and its beginning is written. */
  let isLongWord = false;
  let out = '';

  const newline = () => {
    if (/^\s*(```|~~~)/.test(line.replace(STYLE_MARKS, ''))) isCode = !isCode;
    out += '\n';
    [column, gap, line, isLongWord] = [0, '', '', false];
  };
  const word = (text: string) => {
    const width = widthOf(text);
    const indent = gapWidth(gap, column);
    const mustBreak = !isCode && !isLongWord && column > 0 && column + indent + width >= columns();
    if (mustBreak) [out, column] = [`${out}\n`, 0];
    else [out, column] = [out + gap, columnAfter(column + indent, columns())];
    line += gap + text;
    gap = '';
    out += text;
    column = columnAfter(column + width, columns());
  };
  const take = ({ kind, text }: Unit) => {
    if (kind === 'newline') return newline();
    if (kind === 'word') return word(text);
    isLongWord = false;
    gap += text;
  };
  const send = () => {
    if (out !== '') write(out);
    out = '';
  };
  return {
    push(text) {
      const units = unitsOf(held + text);
      held = '';
      // Code is not moved to another line, so none of it waits.
      if (!isCode) held = takeUnfinished(units);
      units.forEach(take);
      if (widthOf(held) >= columns()) {
        word(held);
        [held, isLongWord] = ['', true];
      }
      send();
    },
    flush() {
      if (held !== '') word(held);
      held = '';
      send();
    },
    isAtLineStart: () => column === 0 && held === '',
  };
}

/** `head` and a text behind it, whose further lines begin where its first does; under it where there is little room beside it. */
export function hangText(head: string, text: string, columns: number): string {
  const isBeside = columns >= head.length + 40;
  const indent = isBeside ? head.length : 2;
  const lines = wrapText(text, columns - indent).split('\n').map((line) => ' '.repeat(indent) + line).join('\n');
  return isBeside ? head + lines.trimStart() : `${head.trimEnd()}\n${lines}`;
}

/** A whole text, broken at words into lines narrower than `columns`. */
export function wrapText(text: string, columns: number): string {
  let wrapped = '';
  const wrapper = createWordWrapper({ columns: () => columns, write: (part) => (wrapped += part) });
  wrapper.push(text);
  wrapper.flush();
  return wrapped;
}
