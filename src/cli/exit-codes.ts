/** What the process says to a shell when it ends, and how an error becomes one line. */
import { CommanderError } from 'commander';
import { SLIDE_REMEDY } from '../engine/answer-room.ts';

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

/** Standard output or error takes nothing more: the disk is full, say. */
export class UnwritableOutput extends Error {
  override readonly name = 'UnwritableOutput';

  constructor(cause: Error) {
    super(`the output cannot be written: ${systemReason(cause) ?? cause.message}`, { cause });
  }
}

/** A reader that went away, such as `head`, or a terminal that was closed: nothing is wrong and nobody is listening. */
export function isBrokenPipe(error: unknown): boolean {
  return ['EPIPE', 'EIO'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** The line for stderr (undefined: say nothing) and the exit code of what a command threw. */
export function describeFailure(error: unknown): { readonly message: string | undefined; readonly exitCode: number } {
  if (error instanceof Interruption) return { message: undefined, exitCode: error.exitCode };
  // Commander has printed its own line by then.
  if (error instanceof CommanderError) return { message: undefined, exitCode: error.exitCode === 0 ? EXIT.ok : EXIT.usage };
  if (isBrokenPipe(error)) return { message: undefined, exitCode: EXIT.ok };
  return { message: messageOf(error), exitCode: error instanceof UsageError ? EXIT.usage : EXIT.failure };
}

const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'a part of the path is a file, not a directory',
  EISDIR: 'it is a directory',
  EEXIST: 'it exists already, as something else',
  EACCES: 'this user has no right to it',
  EPERM: 'this user has no right to it',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the device',
  EMFILE: 'this process has too many files open',
  ENAMETOOLONG: 'the name is too long',
};

function systemReason(error: Error): string | undefined {
  return SYSTEM_REASONS[(error as NodeJS.ErrnoException).code ?? ''];
}

/** A failure of the system, which the user can understand: what was tried on which file. */
function describeSystemError(error: Error): string | undefined {
  const { path, syscall } = error as NodeJS.ErrnoException;
  const reason = systemReason(error);
  if (reason === undefined || path === undefined) return undefined;
  const isRead = /^(stat|lstat|scandir|read|access|realpath)/.test(syscall ?? '');
  return `${isRead ? 'cannot read' : 'cannot open or write'} ${path}: ${reason}.`;
}

/** The library's options by the names that they have on the command line. */
const FLAGS: Readonly<Record<string, string>> = {
  contextLength: '--context',
  perLayerTable: '--per-layer-table',
  snapshotBytes: '--snapshot-bytes',
  memoryBudget: '--memory',
  kvType: '--kv-type',
  mostPatches: '--most-patches',
  maxTokens: '--max-tokens',
  topK: '--top-k',
  topP: '--top-p',
  minP: '--min-p',
  repetitionPenalty: '--repetition-penalty',
  presencePenalty: '--presence-penalty',
  frequencyPenalty: '--frequency-penalty',
  ignoreEos: '--ignore-eos',
  logitBias: '--logit-bias',
  bannedTexts: '--ban',
  toolChoice: '--tool-choice',
  templateVariables: '--template-variables',
};

/** What the library advises, by what does it on the command line. */
const ADVICE: readonly (readonly [inTheLibrary: string, here: string])[] = [
  // What a conversation does about it, `ingot chat` does by itself.
  [`, or ${SLIDE_REMEDY}`, ''],
  [`${SLIDE_REMEDY}, `, ''],
  ['use generate with a prompt or ids', 'continue a text with "ingot run --raw", or token ids with "ingot run --ids"'],
  ['cannot read texts: pass ids instead', 'cannot read texts: it needs a tokenizer.json beside its weights'],
  ['dimensions must be', '--dimensions must be'],
  ['quantize "', '--quantize "'],
  ['leave quantize out', 'leave --quantize out'],
  ['without quantize', 'without --quantize'],
  ['pass a prompt instead', 'continue the text as it is with --raw'],
  ['Pass another template, or a prompt instead of messages', 'Continue the text as it is with --raw'],
  ['Pass a prompt instead of messages', 'Continue the text as it is with --raw'],
];

export function inWordsOfTheCommandLine(text: string): string {
  const advised = ADVICE.reduce((told, [inTheLibrary, here]) => told.replace(inTheLibrary, here), text);
  return advised.replace(/\b[a-z]+[A-Z]\w*\b/g, (word) => (Object.hasOwn(FLAGS, word) ? FLAGS[word]! : word));
}

/** Of these a message says everything; of others, which nobody foresaw, it also says how to find out more. */
const KNOWN = ['FormatError', 'CapacityError', 'InputError', 'UsageError', 'UnwritableOutput'];

/** Whether its message is made for whoever runs the command, so that it may stand in a log: it names files, and nothing that was asked. */
export function isForeseen(error: unknown): error is Error {
  return error instanceof Error && (KNOWN.includes(error.name) || describeSystemError(error) !== undefined);
}

/** The error's message on one line; its stack where INGOT_DEBUG is set. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (process.env['INGOT_DEBUG'] && error.stack !== undefined) return error.stack;
  const text = error.message.replace(/\s*\n\s*/g, ' ').trim() || error.name;
  if (KNOWN.includes(error.name)) return inWordsOfTheCommandLine(text);
  return describeSystemError(error) ?? `${text} (${error.name}; INGOT_DEBUG=1 shows where)`;
}
