/** A terminal that gives every key at once. */

export interface RawTerminal {
  enter(): void;
  restore(): void;
  /** Restores, and reads no more. */
  close(): void;
}

export interface TerminalStreams {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

const PASTE_MARKS_ON = '\u001b[?2004h';
const PASTE_MARKS_OFF = '\u001b[?2004l';

/** Raw mode with marks around what is pasted, taken back at the latest when the process exits. */
export function createRawTerminal({ input, output }: TerminalStreams): RawTerminal {
  let isRaw = false;
  const restore = () => {
    if (!isRaw) return;
    isRaw = false;
    output.write(PASTE_MARKS_OFF);
    input.setRawMode(false);
  };
  const enter = () => {
    isRaw = true;
    input.setRawMode(true);
    input.resume();
    output.write(PASTE_MARKS_ON);
  };
  process.on('exit', restore);
  return {
    enter,
    restore,
    close() {
      restore();
      input.pause();
      process.off('exit', restore);
    },
  };
}
