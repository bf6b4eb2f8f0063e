/** How much room a text takes on a terminal, counted in columns, by the characters that a person sees (graphemes). */
import stringWidth from 'string-width';

const GRAPHEMES = new Intl.Segmenter();

/** Columns of a text; ANSI styles take none. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

export function graphemesOf(text: string): string[] {
  return Array.from(GRAPHEMES.segment(text), ({ segment }) => segment);
}

/** Where the grapheme that holds the UTF-16 unit at `index` begins and ends. @param index from 0, below the text's length */
export function graphemeAt(text: string, index: number): { readonly start: number; readonly end: number } {
  // Segmenting from the line's start is enough, since a line break always ends a grapheme.
  const lineStart = text.lastIndexOf('\n', index - 1) + 1;
  const lineEnd = text.indexOf('\n', index);
  const line = text.slice(lineStart, lineEnd < 0 ? text.length : lineEnd + 1);
  const { index: start, segment } = GRAPHEMES.segment(line).containing(index - lineStart)!;
  return { start: lineStart + start, end: lineStart + start + segment.length };
}

/** As many graphemes of a plain text as fit into `columns`. */
export function cutToWidth(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let room = columns;
  let cut = '';
  for (const grapheme of graphemesOf(text)) {
    room -= widthOf(grapheme);
    if (room < 0) break;
    cut += grapheme;
  }
  return cut;
}
