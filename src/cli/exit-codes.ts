/** What the process says to a shell when it ends, and how an error becomes one line. */
import { CommanderError } from 'commander';

export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** The command line itself cannot be meant; ends with code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The user (or the system) asked the command to stop. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  readonly exitCode: number;

  constructor(exitCode: number) {
    super('interrupted');
    this.exitCode = exitCode;
  }
}

/** A reader that went away, such as `head`: nothing is wrong and nobody is listening. */
export function isBrokenPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
}

/** The line for stderr (undefined: say nothing) and the exit code of what a command threw. */
export function describeFailure(error: unknown): { readonly message: string | undefined; readonly exitCode: number } {
  if (error instanceof Interruption) return { message: undefined, exitCode: error.exitCode };
  // Commander has printed its own line by then.
  if (error instanceof CommanderError) return { message: undefined, exitCode: error.exitCode === 0 ? EXIT.ok : EXIT.usage };
  if (isBrokenPipe(error)) return { message: undefined, exitCode: EXIT.ok };
  return { message: messageOf(error), exitCode: error instanceof UsageError ? EXIT.usage : EXIT.failure };
}

/** The error's message on one line; its stack where INGOT_DEBUG is set. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (process.env['INGOT_DEBUG'] && error.stack !== undefined) return error.stack;
  const known = ['FormatError', 'CapacityError', 'InputError', 'UsageError'].includes(error.name);
  const text = error.message.replace(/\s*\n\s*/g, ' ').trim() || error.name;
  return known ? text : `${text} (${error.name}; INGOT_DEBUG=1 shows where)`;
}
