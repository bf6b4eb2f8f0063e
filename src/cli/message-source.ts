/** Where the messages of a chat come from: a person at a terminal, or a pipe. */

/** Undefined: the input has ended. `leave`: Ctrl-C was pressed twice. */
export type MessageEvent = { readonly text: string } | 'leave' | undefined;

export interface MessageSource {
  next(): Promise<MessageEvent>;
  /** Called on Ctrl-C while no message is being asked for. */
  onInterrupt(listener: (() => void) | undefined): void;
  /** Ctrl-C that came as a signal. */
  interrupt(): void;
  /**
   * Runs what uses the terminal itself, an editor, while nothing here reads from it. Absent where messages come from no terminal of a
   * person's.
   */
  lend?<Result>(work: () => Result): Result;
  /** Gives the input back as it was. */
  close(): void;
}

export const LEAVE_HINT = 'Ctrl-C again to leave';
