/** The command line as a whole: which command runs, and how the process ends. */
import { Command, CommanderError } from 'commander';
import { COMMAND_NAMES, commandsOf, FIRST_WORDS } from './command-names.ts';
import type { CommandName } from './command-names.ts';
import { closestTo, didYouMean } from './suggestions.ts';
import { describeFailure, isBrokenPipe, UnwritableOutput, UsageError } from './exit-codes.ts';
import { packageVersion } from '../node/package-root.ts';
import { checkFirstArgument } from './run-arguments.ts';
import { createTerminal } from './terminal.ts';

const EXAMPLES = `
Without a command, "ingot" in a terminal chats with the bundled model,
"ingot MODEL" with another one, and "ingot PROMPT" answers once. A single bare
word is taken for a command: "ingot run WORD" sends it as a prompt.

Examples:
  $ ingot
  $ ingot "Tell me a story about a fox called Ash"
  $ cat notes.txt | ingot "Summarise this"
  $ ingot chat model.gguf --system "You are a pirate."
  $ ingot chat qwen3:4b
  $ ingot inspect model.gguf
  $ ingot convert ./model-folder -o model.gguf --type q4_k_m

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. INGOT_MODEL names
another default model, NO_COLOR turns colours off, INGOT_DEBUG=1 shows where an
error came from.
`;

/** What registers a command. The modules of all others take longer to load than most commands to run. */
const COMMANDS: { readonly [Name in CommandName]: () => Promise<(program: Command) => void> } = {
  chat: async () => (await import('./chat/chat.ts')).registerChat,
  run: async () => (await import('./run.ts')).registerRun,
  pull: async () => (await import('./pull.ts')).registerPull,
  list: async () => (await import('./cached-models.ts')).registerList,
  show: async () => (await import('./cached-models.ts')).registerShow,
  rm: async () => (await import('./cached-models.ts')).registerRm,
  plan: async () => (await import('./plan.ts')).registerPlan,
  serve: async () => (await import('./serve/serve-command.ts')).registerServe,
  app: async () => (await import('./app.ts')).registerApp,
  ps: async () => (await import('./serve/servers-command.ts')).registerPs,
  stop: async () => (await import('./serve/servers-command.ts')).registerStop,
  keys: async () => (await import('./serve/keys-command.ts')).registerKeys,
  usage: async () => (await import('./serve/usage-command.ts')).registerUsage,
  inspect: async () => (await import('./inspect.ts')).registerInspect,
  kernels: async () => (await import('./kernels.ts')).registerKernels,
  tokenize: async () => (await import('./tokenize.ts')).registerTokenize,
  embed: async () => (await import('./embed.ts')).registerEmbed,
  transcribe: async () => (await import('./transcribe.ts')).registerTranscribe,
  speak: async () => (await import('./speak.ts')).registerSpeak,
  talk: async () => (await import('./talk.ts')).registerTalk,
  convert: async () => (await import('./write-model.ts')).registerConvert,
  synth: async () => (await import('./write-model.ts')).registerSynth,
  eval: async () => (await import('./eval.ts')).registerEval,
  bench: async () => (await import('./bench.ts')).registerBench,
  doctor: async () => (await import('./doctor.ts')).registerDoctor,
  async completions() {
    const { registerCompletions } = await import('./completions.ts');
    return (program) => registerCompletions(program, () => createProgram(COMMAND_NAMES));
  },
};

/** Commander's words; {@link unknownOption} has its own. */
const UNKNOWN_OPTION = /^error: unknown option '(.*)'/;

async function createProgram(names: readonly CommandName[]): Promise<Command> {
  const program = new Command('ingot')
    .description('Large language models on the machine in front of you.')
    .version(packageVersion(), '-V, --version')
    .usage('[COMMAND] [options]\n       ingot [options] [MODEL] [PROMPT]')
    .helpCommand('help [command]', 'help on a command')
    // What follows a command is for it alone: "bench report" shares names of options with "bench".
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => UNKNOWN_OPTION.test(text) || write(text.replace(/^error: /, 'ingot: ')) })
    .addHelpText('after', EXAMPLES);
  for (const name of names) (await COMMANDS[name]())(program);
  return program;
}

/** Before options are looked at: those of a command that does not exist would be called unknown. */
function checkCommand(args: readonly string[]): void {
  const [first, second] = args;
  if (first === 'help') {
    if (second === undefined || FIRST_WORDS.includes(second)) return;
    throw new UsageError(`there is no command ${JSON.stringify(second)}.${didYouMean(second, FIRST_WORDS)} "ingot --help" lists commands.`);
  }
  if (first !== undefined && !first.startsWith('-') && !FIRST_WORDS.includes(first)) checkFirstArgument(args, FIRST_WORDS);
}

/** What commander threw for an option that no command has: commander's own advice would be --help for --temp. */
function unknownOption(error: unknown, args: readonly string[], program: Command): unknown {
  const option = error instanceof CommanderError ? UNKNOWN_OPTION.exec(error.message)?.[1] : undefined;
  if (option === undefined) return error;
  const named = program.commands.find((command) => command.name() === args[0]);
  const name = named?.name() ?? 'run';
  const { options } = named ?? program.commands.find((command) => command.name() === name)!;
  const near = closestTo(option, options.flatMap(({ long }) => long ?? []));
  const advice = near === undefined ? `"ingot ${name} --help" lists options.` : `Did you mean ${near}?`;
  return new UsageError(`unknown option '${option}'. ${advice}`);
}

/** A reader that has gone is no error; anything else is told, and ends the process. */
function endAtFailure(error: Error): void {
  process.exit(reportFailure(isBrokenPipe(error) ? error : new UnwritableOutput(error)));
}

function reportFailure(error: unknown): number {
  const { message, exitCode } = describeFailure(error);
  if (message !== undefined) {
    const terminal = createTerminal(process.stderr);
    terminal.write(`${terminal.red('ingot:')} ${message}\n`);
  }
  return exitCode;
}

/** Runs the command line and sets the exit code. */
export async function runCli(args: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', endAtFailure);
  try {
    checkCommand(args);
    const program = await createProgram(commandsOf(args));
    await program.parseAsync(args, { from: 'user' }).catch((error: unknown) => {
      throw unknownOption(error, args, program);
    });
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}
