/** Text from a pipe: bounded, and text indeed. */
import { addAbortSignal } from 'node:stream';
import { InputError } from '../tensor/errors.ts';
import { UsageError } from './exit-codes.ts';

/** A prompt longer than this exceeds every context; without a limit `yes | ingot` would fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024;
/** A pipe that nobody writes to or closes looks as if this process hung. */
const WAIT_NOTE_MS = 2000;

export interface ReadTextOptions {
  /** For messages: `the prompt`. */
  readonly what: string;
  readonly signal: AbortSignal;
}

/** An argument's text; that of stdin, less one line break at its end, where it is "-" or absent. @throws UsageError, InputError */
export async function readArgumentText(argument: string | undefined, { what, signal }: ReadTextOptions): Promise<string> {
  if (argument !== undefined && argument !== '-') return argument;
  if (process.stdin.isTTY && argument === undefined)
    throw new UsageError(`${what} is missing. Give it as an argument, or pipe it to stdin.`);
  return readStdin(signal);
}

/** The argument, then a blank line and what a pipe holds: `cat notes.txt | ingot run "Summarise this"`. A terminal is not waited for. */
export async function readJoinedText(argument: string | undefined, options: ReadTextOptions): Promise<string> {
  const isAlone = argument === undefined || argument === '-';
  if (isAlone || process.stdin.isTTY) return readArgumentText(argument, options);
  const note = setTimeout(
    () => process.stderr.write('ingot: waiting for stdin to end: what it holds joins the prompt (< /dev/null for none)\n'),
    WAIT_NOTE_MS,
  );
  try {
    const piped = await readStdin(options.signal);
    return piped.trim() === '' ? argument : `${argument}\n\n${piped}`;
  } finally {
    clearTimeout(note);
  }
}

async function readStdin(signal: AbortSignal): Promise<string> {
  const decode = textDecoder('stdin');
  const parts: string[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of addAbortSignal(signal, process.stdin) as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_BYTES)
        throw new InputError(`stdin holds more than ${MAX_BYTES / 1024 / 1024} MiB of text, which is more than is read.`);
      parts.push(decode(chunk));
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof InputError) throw error;
    throw new InputError(`stdin cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  parts.push(decode(undefined));
  return parts.join('').replace(/\r?\n$/, '');
}

/**
 * Decodes UTF-8 as it comes; undefined ends it. A byte order mark is left out.
 * @throws InputError for what is no text
 */
export function textDecoder(name: string): (chunk: Buffer | undefined) => string {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let first: Buffer | undefined;
  return (chunk) => {
    first ??= chunk;
    let text: string;
    try {
      text = decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw new InputError(`${name} is not text: expected UTF-8, found ${describeBytes(first)}. ${adviceFor(first)}`);
    }
    if (text.includes('\u0000')) throw new InputError(`${name} is not text: it holds a NUL character. ${adviceFor(first)}`);
    return text;
  };
}

function describeBytes(first: Buffer | undefined): string {
  if (isUtf16(first)) return 'UTF-16';
  return first?.subarray(0, 4).toString('latin1') === 'GGUF' ? 'a GGUF model' : 'other bytes';
}

function adviceFor(first: Buffer | undefined): string {
  if (isUtf16(first)) return 'Convert it, for example with iconv -f UTF-16 -t UTF-8.';
  return 'Pipe a text.';
}

function isUtf16(first: Buffer | undefined): boolean {
  const mark = first?.subarray(0, 2).toString('hex');
  return mark === 'fffe' || mark === 'feff';
}
