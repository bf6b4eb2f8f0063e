/** Draws a message under edit over what was drawn of it before. */
import type { EditBuffer } from './edit-buffer.ts';
import { layoutEdit } from './edit-layout.ts';
import type { EditLayout } from './edit-layout.ts';
import { plural } from './quantities.ts';
import type { Terminal } from './terminal.ts';
import { cutToWidth, widthOf } from './text-width.ts';

export interface EditPainter {
  /** @param note lines that stand under the text, dimmed; empty for none */
  paint(buffer: EditBuffer, note: string): void;
  /** Draws again after the terminal has changed its width, and may have broken rows anew. */
  resize(buffer: EditBuffer): void;
  /** Leaves the text as it is and goes to the line under it. */
  finish(buffer: EditBuffer): void;
  /** Shows a message that was typed before it was asked for. */
  echo(text: string): void;
  clearScreen(): void;
  /** Goes under what is drawn, for others to write. */
  leave(): void;
}

interface Frame {
  readonly cursorRow: number;
  readonly cursorColumn: number;
  readonly widths: readonly number[];
}

const EMPTY: Frame = { cursorRow: 0, cursorColumn: 0, widths: [0] };
const FEWEST_ROWS = 3;

export function createEditPainter(terminal: Terminal, screenRows: () => number): EditPainter {
  let frame = EMPTY;
  const draw = (buffer: EditBuffer, note: string, rowsUp: number) => {
    // Half of the screen stays with the conversation.
    const mostRows = Math.max(FEWEST_ROWS, Math.floor(screenRows() / 2));
    const layout = layoutEdit(buffer, { columns: terminal.columns(), mostRows });
    const lines = linesOf(layout, note, terminal);
    const cursorRow = layout.cursorRow + (layout.linesAbove > 0 ? 1 : 0);
    frame = { cursorRow, cursorColumn: layout.cursorColumn, widths: lines.map((line) => widthOf(line)) };
    terminal.write(
      `${up(rowsUp)}\r${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J` +
        `${up(lines.length - 1 - cursorRow)}\r${right(layout.cursorColumn)}`,
    );
  };
  const leave = () => {
    terminal.write(`${down(frame.widths.length - 1 - frame.cursorRow)}\r\n`);
    frame = EMPTY;
  };
  const finish = (buffer: EditBuffer) => {
    // From its beginning: a long text is cut at its end.
    draw({ ...buffer, cursor: 0 }, '', frame.cursorRow);
    leave();
  };
  return {
    paint: (buffer, note) => draw(buffer, note, frame.cursorRow),
    resize(buffer) {
      const columns = terminal.columns();
      const above = frame.widths.slice(0, frame.cursorRow).reduce((rows, width) => rows + Math.max(1, Math.ceil(width / columns)), 0);
      draw(buffer, '', above + Math.floor(frame.cursorColumn / columns));
    },
    finish,
    echo(text) {
      frame = EMPTY;
      finish({ text, cursor: 0, killed: '' });
    },
    clearScreen() {
      terminal.write('\u001b[2J\u001b[H');
      frame = EMPTY;
    },
    leave,
  };
}

function linesOf({ rows, linesAbove, linesBelow }: EditLayout, note: string, terminal: Terminal): string[] {
  const about = (text: string) => terminal.dim(cutToWidth(text, terminal.columns() - 1));
  return [
    ...(linesAbove > 0 ? [about(`  ... ${plural(linesAbove, 'line')} above`)] : []),
    ...rows.map(({ mark, text }) => terminal.dim(mark) + text),
    ...(linesBelow > 0 ? [about(`  ... ${plural(linesBelow, 'line')} below`)] : []),
    ...(note === '' ? [] : note.split('\n').map(about)),
  ];
}

const up = (rows: number) => (rows > 0 ? `\u001b[${rows}A` : '');
const down = (rows: number) => (rows > 0 ? `\u001b[${rows}B` : '');
const right = (columns: number) => (columns > 0 ? `\u001b[${columns}C` : '');
