import { cutToWidth } from './text-width.ts';
import type { Terminal } from './terminal.ts';

/** What is being done, on one line that is written over on a terminal, and as a line for each elsewhere. */
export interface StatusLine {
  show(text: string): void;
  clear(): void;
}

export function createStatusLine(terminal: Terminal): StatusLine {
  let isDrawn = false;
  return {
    show(text) {
      if (!terminal.canRedraw) return terminal.write(`ingot: ${text}\n`);
      isDrawn = true;
      terminal.write(`\r\u001b[2K${terminal.dim(cutToWidth(text, terminal.columns() - 1))}`);
    },
    clear() {
      if (isDrawn) terminal.write('\r\u001b[2K');
      isDrawn = false;
    },
  };
}
