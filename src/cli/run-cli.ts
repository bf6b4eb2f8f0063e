/** The command line as a whole: which command runs, and how the process ends. */
import { Command } from 'commander';
import { registerBench } from './bench.ts';
import { registerChat } from './chat.ts';
import { registerDoctor } from './doctor.ts';
import { registerEval } from './eval.ts';
import { describeFailure, isBrokenPipe, EXIT } from './exit-codes.ts';
import { packageVersion } from './package-version.ts';
import { registerInspect } from './inspect.ts';
import { registerKernels } from './kernels.ts';
import { registerRun } from './run.ts';
import { createTerminal } from './terminal.ts';
import { registerTokenize } from './tokenize.ts';
import { registerConvert, registerSynth } from './write-model.ts';

const EXAMPLES = `
Without a command: "ingot" chats with the bundled model in a terminal, and "ingot PROMPT" answers once.

Examples:
  $ ingot
  $ ingot "Tell me a story about a fox called Ash"
  $ ingot chat model.gguf --system "You are a pirate."
  $ ingot inspect model.gguf
  $ ingot convert ./model-folder -o model.gguf --type q4_k_m

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. INGOT_MODEL names another default model,
NO_COLOR turns colours off, INGOT_DEBUG=1 shows where an error came from.
`;

function createProgram(): Command {
  const program = new Command('ingot')
    .description('Large language models on the machine in front of you.')
    .version(packageVersion(), '-V, --version')
    .usage('[COMMAND] [options]')
    .helpCommand('help [command]', 'help on a command')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'ingot: ')) })
    .addHelpText('after', EXAMPLES);
  registerChat(program);
  registerRun(program);
  registerInspect(program);
  registerKernels(program);
  registerTokenize(program);
  registerConvert(program);
  registerSynth(program);
  registerEval(program);
  registerBench(program);
  registerDoctor(program);
  return program;
}

/** `ingot` alone in a terminal is a chat. */
function withDefaultCommand(args: readonly string[]): readonly string[] {
  return args.length === 0 && process.stdin.isTTY ? ['chat'] : args;
}

/** Runs the command line and sets the exit code. */
export async function runCli(args: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (isBrokenPipe(error)) process.exit(EXIT.ok);
      throw error;
    });
  }
  try {
    await createProgram().parseAsync(withDefaultCommand(args), { from: 'user' });
  } catch (error) {
    const { message, exitCode } = describeFailure(error);
    if (message !== undefined) {
      const terminal = createTerminal(process.stderr);
      terminal.write(`${terminal.red('ingot:')} ${message}\n`);
    }
    process.exitCode = exitCode;
  }
}
