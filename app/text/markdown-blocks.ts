/** The blocks of a Markdown text: paragraphs, lists and so on, each as it was written. */
import { Marked } from 'marked';
import { mathTokens } from './math-tokens.ts';

/** Levels of lists and quotes, one in another, that are read as such: time grows by the square of them. */
const MOST_NESTING = 50;
/** What begins a quote, or an item of a list. */
const MARKER = /[ \t]*(?:>|(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$))/y;
/** How many blocks at the end of a text that grows may still become others: a `2` behind a list is an item of it once its point comes. */
const UNSETTLED = 2;

const marked = new Marked(mathTokens, { gfm: true });

/** Whether a line stands deeper in lists and quotes than is read as such. It is shown as it was written. */
export function isTooDeep(line: string): boolean {
  let levels = 0;
  MARKER.lastIndex = 0;
  while (levels <= MOST_NESTING && MARKER.test(line)) levels++;
  if (levels === 0) return false;
  // An item in another one stands at least two columns to the right of it.
  const indent = /^[ \t]*/.exec(line)![0].replaceAll('\t', '    ').length;
  return levels + Math.floor(indent / 2) > MOST_NESTING;
}

/** Lines that are too deep, and those between them, each run as one text. */
function runsOf(text: string): readonly { readonly text: string; readonly isDeep: boolean }[] {
  const runs: { text: string; isDeep: boolean }[] = [];
  for (const line of text.split(/(?<=\n)/)) {
    const isDeep = isTooDeep(line.trimEnd());
    const last = runs.at(-1);
    if (last?.isDeep === isDeep) last.text += line;
    else runs.push({ text: line, isDeep });
  }
  return runs;
}

function rawsOf(text: string): readonly string[] {
  try {
    return marked.lexer(text).map(({ raw }) => raw);
  } catch {
    // Nested in a way that its lines do not show: one block, which is drawn as it was written.
    return [text];
  }
}

function freshBlocks(text: string): readonly string[] {
  const blocks: string[] = [];
  let space = '';
  for (const raw of runsOf(text).flatMap((run) => (run.isDeep ? [run.text] : rawsOf(run.text)))) {
    if (raw.trim() !== '') blocks.push(space + raw);
    else if (blocks.length > 0) blocks.push(blocks.pop()! + raw);
    space = raw.trim() === '' && blocks.length === 0 ? space + raw : '';
  }
  return blocks;
}

/**
 * @param before the blocks of the same text when it was shorter: those that no longer change are taken as they are, so that a long text
 * is not read anew with each word
 * @returns blocks that make up the text when they are joined; none of a text without a letter
 */
export function blocksOf(text: string, before: readonly string[] = []): readonly string[] {
  const lines = text.replaceAll(/\r\n?/g, '\n');
  const settled = before.slice(0, -UNSETTLED);
  const head = settled.join('');
  return lines.startsWith(head) ? [...settled, ...freshBlocks(lines.slice(head.length))] : freshBlocks(lines);
}
