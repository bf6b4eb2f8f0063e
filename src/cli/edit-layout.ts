/** Where the text of a message under edit stands on the screen. */
import type { EditBuffer } from './edit-buffer.ts';
import { graphemesOf, widthOf } from './text-width.ts';

export interface LayoutOptions {
  readonly columns: number;
  /** Most rows to show; what is above and below is counted. */
  readonly mostRows: number;
}

export interface LayoutRow {
  /** `> ` before the text's first row, `. ` before those of its other lines, two spaces where a line goes on. */
  readonly mark: string;
  readonly text: string;
}

export interface EditLayout {
  readonly rows: readonly LayoutRow[];
  /** The cursor's place among the rows; columns count the mark. */
  readonly cursorRow: number;
  readonly cursorColumn: number;
  /** Lines of the text before the first row and after the last. */
  readonly linesAbove: number;
  readonly linesBelow: number;
}

interface PlacedRow extends LayoutRow {
  readonly line: number;
}

const MARK_COLUMNS = 2;

/** Tabs would need the cursor's column to be drawn; other controls would move it. */
export function shownGrapheme(grapheme: string): string {
  if (grapheme === '\t') return '    ';
  return /[\u0000-\u001f\u007f-\u009f]/.test(grapheme) ? '\u00b7' : grapheme;
}

/** Only lines near the cursor are laid out, and of a very long line only what is near: a pasted book must not make keys slow. */
export function layoutEdit({ text, cursor }: EditBuffer, { columns, mostRows }: LayoutOptions): EditLayout {
  const width = Math.max(4, columns - 1);
  const lines = text.split('\n');
  let line = 0;
  let lineStart = 0;
  while (lineStart + lines[line]!.length < cursor) lineStart += lines[line++]!.length + 1;
  const first = Math.max(0, line - mostRows);
  const last = Math.min(lines.length - 1, line + mostRows);
  const rows: PlacedRow[] = [];
  let cursorRow = 0;
  let cursorColumn = MARK_COLUMNS;
  for (let at = first; at <= last; at++) {
    const column = at === line ? cursor - lineStart : undefined;
    const placed = layoutLine(lines[at]!, { mark: at === 0 ? '> ' : '. ', width, cursor: column, most: 4 * mostRows * width });
    if (placed.cursor !== undefined) [cursorRow, cursorColumn] = [rows.length + placed.cursor.row, placed.cursor.column];
    rows.push(...placed.rows.map((row) => ({ ...row, line: at })));
  }
  const top = Math.max(0, Math.min(cursorRow - Math.floor(mostRows / 2), rows.length - mostRows));
  const shown = rows.slice(top, top + mostRows);
  return {
    rows: shown,
    cursorRow: cursorRow - top,
    cursorColumn,
    linesAbove: shown[0]!.line,
    linesBelow: lines.length - 1 - shown.at(-1)!.line,
  };
}

interface LineOptions {
  readonly mark: string;
  readonly width: number;
  /** Undefined on lines without the cursor. */
  readonly cursor: number | undefined;
  /** Most UTF-16 units before the cursor, or from the line's start, that are laid out; as many follow. */
  readonly most: number;
}

function layoutLine(
  line: string,
  { mark, width, cursor, most }: LineOptions,
): { readonly rows: LayoutRow[]; readonly cursor?: { readonly row: number; readonly column: number } } {
  const start = Math.max(0, (cursor ?? 0) - most);
  const rows: { mark: string; text: string }[] = [{ mark: start === 0 ? mark : '  ', text: '' }];
  let column = MARK_COLUMNS;
  let place: { row: number; column: number } | undefined;
  let at = start;
  for (const grapheme of graphemesOf(line.slice(start, start + 2 * most))) {
    const shown = shownGrapheme(grapheme);
    const columns = widthOf(shown);
    if (column + columns > width) {
      rows.push({ mark: '  ', text: '' });
      column = MARK_COLUMNS;
    }
    if (at === cursor) place = { row: rows.length - 1, column };
    rows.at(-1)!.text += shown;
    column += columns;
    at += grapheme.length;
  }
  if (cursor !== undefined) place ??= { row: rows.length - 1, column };
  return { rows, ...(place && { cursor: place }) };
}
