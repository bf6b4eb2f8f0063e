import { UsageError } from './exit-codes.ts';

/** A prompt longer than this exceeds every context; without a limit `yes | ingot` would fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024;

/** An argument's text; that of stdin, less one line break at its end, where it is "-" or absent. @throws UsageError */
export async function readArgumentText(argument: string | undefined, what: string): Promise<string> {
  if (argument !== undefined && argument !== '-') return argument;
  if (process.stdin.isTTY && argument === undefined) throw new UsageError(`${what} is missing. Give it as an argument, or pipe it to stdin.`);
  return (await readStdin()).replace(/\r?\n$/, '');
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BYTES) throw new UsageError(`stdin holds more than ${MAX_BYTES / 1024 / 1024} MiB of text, which is more than is read.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
