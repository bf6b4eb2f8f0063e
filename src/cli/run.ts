/** `ingot run`: one answer. */
import type { Command } from 'commander';
import type { GenerateOptions, Model, Piece } from '../engine/api.ts';
import { collect } from '../engine/collect.ts';
import { endingNote, figuresLine } from './answer-figures.ts';
import { createAnswerPrinter, streamAnswer } from './answer-printer.ts';
import { chat } from './chat.ts';
import { FIRST_WORDS } from './command-names.ts';
import { UsageError } from './exit-codes.ts';
import { addGenerationOptions, decodingOptions, reasoningOption } from './generation-options.ts';
import type { GenerationFlags } from './generation-options.ts';
import { inputPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { addDeviceOptions, checkPredictsTokens, withModel } from './model-options.ts';
import type { DeviceOptions } from './model-options.ts';
import { parseIds } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { readJoinedText } from './read-stdin.ts';
import { checkFirstArgument, resolveRunArguments } from './run-arguments.ts';
import { createTerminal } from './terminal.ts';
import { wrapText } from './word-wrapper.ts';

export interface RunFlags extends GenerationFlags, DeviceOptions {
  readonly model?: string;
  readonly raw?: boolean;
  readonly ids?: readonly number[];
  readonly ignoreEos?: boolean;
  readonly prefill?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
With one argument it is the prompt, and the bundled model answers. What is piped
to stdin joins the prompt, after a blank line; without a prompt, or with "-", it
is the prompt. The answer goes to stdout; thinking and figures go to stderr.

Examples:
  $ ingot run "Tell me a story about a fox called Ash"
  $ ingot run model.gguf "What is 17 + 25?" --temperature 0 --no-think
  $ cat notes.txt | ingot run "Summarise this"
  $ ingot run model.gguf - --system "Summarise the text." < notes.txt
  $ ingot run --raw "Once upon a time" --max-tokens 50 --seed 7
  $ ingot run "Name a colour" --choice red --choice green
  $ ingot run "Tom is 12 and likes tea" --schema person.json --temperature 0
  $ ingot run --json "Where does a hen live?" | jq .usage
`;

export function registerRun(program: Command): void {
  const command = program
    .command('run', { isDefault: true })
    .summary('answer one prompt and end')
    .description('Answers one prompt, streaming, and ends with a line of figures.')
    .usage('[options] [MODEL] PROMPT')
    .argument('[arguments...]', 'the model (a GGUF file, a Hugging Face folder, or a URL) and the prompt')
    .option('-m, --model <model>', 'the model; then every argument belongs to the prompt')
    .option('--raw', 'continue the prompt as it is, without the chat template')
    .option('--ids <ids>', 'continue these token ids (1,2,3), for models without a tokenizer too', parseIds)
    .option('--prefill <text>', 'the answer begins with this text, and the model goes on with it')
    .option('--ignore-eos', 'go on past the end of the answer (needs --max-tokens to end early)')
    .option('--json', 'print one JSON object when the answer is complete')
    .addHelpText('after', EXAMPLES);
  addDeviceOptions(addGenerationOptions(command, 'what the context has left; 256 with --raw and --ids'));
  command.action((args: string[], flags: RunFlags) => {
    const isNamed = program.args[0] === 'run';
    if (!isNamed) checkFirstArgument(args, FIRST_WORDS);
    return !isNamed && isChat(args, flags) ? chat(resolveRunArguments(args, flags).model, flags) : runOnce(args, flags);
  });
}

/** Without a command and a prompt, in a terminal, it is a chat: `ingot`, `ingot model.gguf`, `ingot --context 4096`. */
function isChat(args: readonly string[], flags: RunFlags): boolean {
  const isOneAnswer = flags.raw ?? flags.ids ?? flags.ignoreEos ?? flags.json;
  return isOneAnswer === undefined && process.stdin.isTTY && resolveRunArguments(args, flags).prompt === undefined;
}

async function runOnce(args: readonly string[], flags: RunFlags): Promise<void> {
  checkFlags(flags);
  const { model: named, prompt } = resolveRunArguments(args, flags);
  // A misspelt path is told before anybody waits for stdin.
  const path = named === undefined ? undefined : inputPath(named);
  await withInterrupts(async (signal) => {
    const text = flags.ids === undefined ? await readJoinedText(prompt, { what: 'the prompt', signal }) : '';
    if (flags.ids === undefined && text.trim() === '') throw new UsageError('the prompt is empty. Give a text, or pipe one to stdin.');
    await withModel(path, { ...flags, signal }, async (model) => {
      checkPredictsTokens(model, 'run');
      const request = requestOf(text, flags, model);
      await (flags.json === true ? printJson(model, { ...request, signal }) : printAnswer(model, { ...request, signal }, flags.prefill));
    });
  });
}

function checkFlags({ raw, ids, system, prefill, reasoningBudget }: RunFlags): void {
  const plain = ids === undefined ? (raw === true ? '--raw' : undefined) : '--ids';
  if (prefill === '') throw new UsageError('--prefill needs at least one character.');
  if (plain === undefined) return;
  const given = Object.entries({ '--system': system, '--prefill': prefill, '--reasoning-budget': reasoningBudget });
  for (const [flag, value] of given)
    if (value !== undefined) throw new UsageError(`${flag} is part of a chat template, which ${plain} leaves out. Drop one of the two.`);
}

function requestOf(text: string, flags: RunFlags, model: Model): GenerateOptions {
  const decoding = { ...decodingOptions(flags), dialect: flags.dialect, ignoreEos: flags.ignoreEos };
  if (flags.ids !== undefined) return { ...decoding, ids: flags.ids };
  if (model.tokenizer === undefined)
    throw new UsageError(`${model.info.name} has no tokenizer, so it cannot read a prompt. Give token ids with --ids.`);
  if (flags.raw === true) return { ...decoding, prompt: text };
  const system = flags.system === undefined ? [] : [{ role: 'system', content: flags.system }];
  const begun = flags.prefill === undefined ? [] : [{ role: 'assistant', content: flags.prefill }];
  return { ...decoding, messages: [...system, { role: 'user', content: text }, ...begun], reasoning: reasoningOption(flags) };
}

async function printAnswer(model: Model, request: GenerateOptions, prefill = ''): Promise<void> {
  const answer = createTerminal(process.stdout);
  const errors = createTerminal(process.stderr);
  const display = createProgressDisplay(process.stderr);
  const printer = createAnswerPrinter({ answer, thinking: errors });
  try {
    display.expect('prefill');
    const pieces = withIds(model, model.generate({ ...request, onProgress: display.onProgress }));
    let begun = prefill;
    const final = await streamAnswer(pieces, (piece) => {
      display.clear();
      if (begun !== '') printer.push({ parts: [{ kind: 'text', text: begun, tokens: [] }] });
      begun = '';
      printer.push(piece);
    });
    display.clear();
    printer.end();
    const { deviceDescription } = model.info;
    const columns = errors.isTty ? errors.columns() - 1 : Infinity;
    const note = endingNote(final, { ...model.info, isChat: false });
    errors.write(`${errors.isTty && answer.isTty ? '\n' : ''}${errors.dim(figuresLine(deviceDescription, final, columns))}\n`);
    if (note !== undefined) errors.write(`${errors.dim(wrapText(`ingot: ${note}`, columns))}\n`);
  } finally {
    display.clear();
    printer.end();
  }
}

/** A model without a tokenizer answers in ids. */
async function* withIds(model: Model, pieces: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  if (model.tokenizer !== undefined) return yield* pieces;
  for await (const piece of pieces) yield withText(piece, piece.tokens.map((id) => `${id} `).join(''));
}

function withText<SomePiece extends Piece>(piece: SomePiece, text: string): SomePiece {
  return { ...piece, text, parts: [{ kind: 'text', text, tokens: piece.tokens }] };
}

async function printJson(model: Model, request: GenerateOptions): Promise<void> {
  const collected = await collect(model.generate(request));
  const { name, architecture, quantisation, device, deviceDescription } = model.info;
  const { text, reasoning, content, toolCalls, tokens, finishReason, stopText, usage, timings, seed } = collected;
  const answer = { text, reasoning, content, toolCalls, tokens, finishReason, stopText, usage, timings, seed };
  process.stdout.write(`${JSON.stringify({ ...answer, model: { name, architecture, quantisation }, device, deviceDescription })}\n`);
}
