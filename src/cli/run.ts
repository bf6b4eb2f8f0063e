/** `ingot run`: one answer. */
import type { Command } from 'commander';
import type { Generation, Model, Piece } from '../engine/api.ts';
import { collectChoices } from '../engine/collect.ts';
import { endingNote, figuresLine } from './answer-figures.ts';
import { createAnswerPrinter, streamAnswer } from './answer-printer.ts';
import { addChatOptions, chat } from './chat/chat.ts';
import { FIRST_WORDS } from './command-names.ts';
import { UsageError } from './exit-codes.ts';
import { addGenerationOptions, jsonFile } from './generation-options.ts';
import { modelPath } from './input-path.ts';
import { imageParts } from './image-files.ts';
import { withInterrupts } from './interrupts.ts';
import { addDeviceOptions, checkPredictsTokens, withModel } from './model-options.ts';
import { collectTexts, integerIn, oneOf, parseIds } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { readJoinedText } from './read-stdin.ts';
import { checkFirstArgument, resolveRunArguments } from './run-arguments.ts';
import { checkRunFlags, runRequest, TOOL_ORDERS } from './run-request.ts';
import type { RunFlags, RunRequest } from './run-request.ts';
import { createTerminal } from './terminal.ts';
import { wrapText } from './word-wrapper.ts';

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
  $ ingot run "Is it cold in Oslo?" --tools tools.json --tool-choice required
  $ ingot run qwen3-vl.gguf --image cat.jpg "What is this?"
  $ ingot run coder.gguf "def add(a, b):" --suffix "print(add(2, 3))"
  $ ingot run "Name a colour" --logit-bias " red=-100" --ban blue
  $ ingot run --json "Where does a hen live?" | jq .usage
  $ ingot run --json --answers 3 --seed 1 "Name a colour" | jq '.answers[].text'
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
    .option('--image <file>', 'an image (PNG, JPEG, WebP, GIF) before the prompt; may be given several times', collectTexts)
    .option('--prefill <text>', 'the answer begins with this text, and the model goes on with it')
    .option('--suffix <text>', 'write what stands between the prompt and this text (models with tokens for it, such as Qwen2.5-Coder)')
    .option('--tools <file>', 'the model may call these functions: a list of descriptions in JSON. The calls are the answer', jsonFile)
    .option('--tool-choice <which>', 'auto, none, required, or the name of the tool to call (default: auto)')
    .option('--tool-order <order>', 'given, or canonical: the same whatever order they come in (default: given)', oneOf(TOOL_ORDERS))
    .option('--logprobs <count>', "with --json: each token's log probability, and so many likeliest", integerIn({ min: 0, max: 20 }))
    .option('--answers <count>', 'with --json: several answers to the prompt, the seed one higher for each', integerIn({ min: 1, max: 64 }))
    .option('--echo', 'with --raw or --ids: print the prompt too')
    .option('--ignore-eos', 'go on past the end of the answer (needs --max-tokens to end early)')
    .option('--json', 'print one JSON object when the answer is complete')
    .addHelpText('after', EXAMPLES);
  addDeviceOptions(addGenerationOptions(addChatOptions(command), 'what the context has left; 256 with --raw and --ids'));
  command.action((args: string[], flags: RunFlags) => {
    const isNamed = program.args[0] === 'run';
    if (!isNamed) checkFirstArgument(args, FIRST_WORDS);
    return !isNamed && isChat(args, flags) ? chat(resolveRunArguments(args, flags).model, flags) : runOnce(args, flags);
  });
}

/** Without a command and a prompt, in a terminal, it is a chat: `ingot`, `ingot model.gguf`, `ingot --context 4096`. */
function isChat(args: readonly string[], flags: RunFlags): boolean {
  const isOneAnswer = flags.raw ?? flags.ids ?? flags.ignoreEos ?? flags.json ?? flags.suffix ?? flags.tools ?? flags.image;
  return isOneAnswer === undefined && process.stdin.isTTY && resolveRunArguments(args, flags).prompt === undefined;
}

async function runOnce(args: readonly string[], flags: RunFlags): Promise<void> {
  checkRunFlags(flags);
  if (flags.resume !== undefined) throw new UsageError('--resume is of conversations: ingot chat --resume.');
  const { model: named, prompt } = resolveRunArguments(args, flags);
  // A misspelt path is told before anybody waits for stdin.
  const path = named === undefined ? undefined : modelPath(named);
  await withInterrupts(async (signal) => {
    const text = flags.ids === undefined ? await readJoinedText(prompt, { what: 'the prompt', signal }) : '';
    if (flags.ids === undefined && text.trim() === '') throw new UsageError('the prompt is empty. Give a text, or pipe one to stdin.');
    await withModel(path, { ...flags, signal }, async (model) => {
      checkPredictsTokens(model, 'run');
      const ask = runRequest(text, flags, model, await imageParts(flags.image));
      await (flags.json === true ? printJson(model, ask({ signal }), flags) : printAnswer(model, { ask, signal, ...flags }));
    });
  });
}

interface Asking {
  readonly ask: RunRequest;
  readonly signal: AbortSignal;
  readonly prefill?: string;
  readonly echo?: boolean;
  readonly plain?: boolean;
}

async function printAnswer(model: Model, { ask, signal, prefill = '', echo = false, plain }: Asking): Promise<void> {
  const answer = createTerminal(process.stdout);
  const errors = createTerminal(process.stderr);
  const display = createProgressDisplay(process.stderr);
  const printer = createAnswerPrinter({ answer, thinking: errors, isPlain: plain === true });
  try {
    display.expect('prefill');
    const pieces = shown(model, ask({ signal, onProgress: display.onProgress }), echo);
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

/** A model without a tokenizer answers in ids. The prompt, where it is echoed, is the first piece and no part of the answer. */
async function* shown(model: Model, pieces: AsyncIterable<Piece>, echo: boolean): AsyncGenerator<Piece> {
  let isPrompt = echo;
  for await (const piece of pieces) {
    if (!model.info.hasTokenizer) yield withText(piece, piece.tokens.map((id) => `${id} `).join(''));
    else yield isPrompt ? withText(piece, piece.text) : piece;
    isPrompt = false;
  }
}

function withText<SomePiece extends Piece>(piece: SomePiece, text: string): SomePiece {
  return { ...piece, text, parts: [{ kind: 'text', text, tokens: piece.tokens }] };
}

async function printJson(model: Model, generation: Generation, { answers, logprobs }: RunFlags): Promise<void> {
  const collected = (await collectChoices(generation)).map((answer) => {
    const { text, reasoning, content, toolCalls, tokens, finishReason, stopText, usage, timings, seed } = answer;
    const told = logprobs === undefined ? {} : { logprobs: answer.logprobs };
    return { text, reasoning, content, toolCalls, tokens, ...told, finishReason, stopText, usage, timings, seed };
  });
  const { name, architecture, quantisation, device, deviceDescription } = model.info;
  const what = answers === undefined ? collected[0] : { answers: collected };
  process.stdout.write(`${JSON.stringify({ ...what, model: { name, architecture, quantisation }, device, deviceDescription })}\n`);
}
