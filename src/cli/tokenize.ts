/** `ingot tokenize`: text to ids and back. */
import type { Command } from 'commander';
import { loadTokenizer } from '../node/load-tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { UsageError } from './exit-codes.ts';
import { modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { parseIds } from './option-values.ts';
import { readArgumentText } from './read-stdin.ts';
import { printable } from './terminal.ts';
import { tableLines } from './text-table.ts';

interface TokenizeFlags {
  readonly special?: boolean;
  readonly addSpecial?: boolean;
  readonly limits?: boolean;
  readonly decode?: readonly number[];
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  $ ingot tokenize model.gguf "Hello, world"
  $ ingot tokenize tokenizer.json - --json < text.txt
  $ ingot tokenize model.gguf "<|im_start|>user" --special
  $ ingot tokenize model.gguf --decode 101,102,103
`;

export function registerTokenize(program: Command): void {
  program
    .command('tokenize')
    .summary('show the tokens of a text')
    .description('Shows the token ids and pieces of a text, or the text of ids.')
    .argument('<model>', 'a GGUF file (a vocabulary alone will do), a tokenizer.json, or a model folder')
    .argument('[text]', 'the text; "-" or nothing reads stdin')
    .option('--special', 'special tokens written in the text count as such')
    .option('--add-special', 'add what the model expects around a text (BOS, EOS)')
    .option('--limits', 'cut and fill the ids as truncation and padding of the tokenizer.json say')
    .option('--decode <ids>', 'show the text of these ids (1,2,3)', parseIds)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((model: string, text: string | undefined, flags: TokenizeFlags) =>
      withInterrupts((signal) => tokenize(model, text, { ...flags, signal })),
    );
}

async function tokenize(
  model: string,
  argument: string | undefined,
  flags: TokenizeFlags & { readonly signal: AbortSignal },
): Promise<void> {
  const { signal, decode, json } = flags;
  if (decode !== undefined && argument !== undefined) throw new UsageError('give either a text or --decode, not both.');
  const given = decode === undefined ? await readArgumentText(argument, { what: 'the text', signal }) : undefined;
  const tokenizer = await loadTokenizer(modelPath(model), { signal });
  const ids =
    decode ?? tokenizer.encode(given ?? '', { parseSpecial: flags.special, addSpecial: flags.addSpecial, applyLimits: flags.limits });
  for (const warning of tokenizer.warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
  if (tokenizer.limits !== undefined && decode === undefined && flags.limits !== true) {
    process.stderr.write(`ingot: the tokenizer.json sets ${tokenizer.limits}, which is not applied; --limits does.\n`);
  }
  const text = given ?? tokenizer.decode(ids);
  const pieces = ids.map((id) => tokenizer.tokenText(id));
  if (json === true) process.stdout.write(`${JSON.stringify({ text, ids, pieces, count: ids.length })}\n`);
  else if (decode !== undefined) process.stdout.write(`${text}\n`);
  else process.stdout.write(tokenLines(tokenizer, ids));
}

/** A line per token: id, its text quoted, and its bytes where they are only a part of a character. */
function tokenLines(tokenizer: Tokenizer, ids: readonly number[]): string {
  const rows = ids.map((id) => [String(id), describeToken(tokenizer, id)]);
  return tableLines(rows, [0]).map((line) => `${line}\n`).join('');
}

function describeToken(tokenizer: Tokenizer, id: number): string {
  if (tokenizer.isSpecial(id)) return `${printable(tokenizer.tokenText(id))} (special)`;
  const bytes = tokenizer.tokenBytes(id);
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  return text.includes('\ufffd')
    ? `<${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}>`
    : printable(JSON.stringify(text));
}
