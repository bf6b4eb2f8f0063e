/** In the order of the help text. */
export const COMMAND_NAMES = [
  'chat', 'run', 'pull', 'list', 'show', 'rm', 'plan', 'serve', 'app', 'ps', 'stop', 'keys', 'usage', 'inspect', 'kernels', 'tokenize',
  'embed', 'transcribe', 'speak', 'talk', 'convert', 'synth', 'eval', 'bench', 'doctor', 'completions',
] as const;

export type CommandName = (typeof COMMAND_NAMES)[number];

/** Words that may stand first on the command line and are neither a model nor a prompt. */
export const FIRST_WORDS: readonly string[] = [...COMMAND_NAMES, 'help'];

/** The commands that a command line is about. */
export function commandsOf(args: readonly string[]): readonly CommandName[] {
  const [first, second] = args;
  const named = COMMAND_NAMES.find((name) => name === (first === 'help' ? second : first));
  if (named !== undefined) return [named];
  return first === 'help' || args.includes('--help') || args.includes('-h') ? COMMAND_NAMES : ['run'];
}
