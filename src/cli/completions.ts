/** `ingot completions`: scripts for shells, made from commander's tables of all commands. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { SHORT_NAMES } from '../files/hub/short-names.ts';
import { PULLED_MODELS } from '../node/pull/pull-model.ts';
import { cachedIds } from './cached-models.ts';
import { completionScript, SHELLS } from './completion-scripts.ts';
import type { Shell } from './completion-scripts.ts';
import { commandWords } from './completion-words.ts';

const EXAMPLES = `
Bash reads it from ~/.bashrc, as in the first example; zsh from a file _ingot in
a folder of fpath; fish from ~/.config/fish/completions/ingot.fish.

Examples:
  $ source <(ingot completions bash)
  $ ingot completions zsh
  $ ingot completions fish
  $ ingot completions models
`;

const MODELS = 'models';

/** @param allCommands the program with every command of the command line */
export function registerCompletions(program: Command, allCommands: () => Promise<Command>): void {
  program
    .command('completions')
    .summary('completion of words for a shell')
    .description('Prints a script that completes commands, options, files and models in a shell; or the names of models that it asks for.')
    .addArgument(new Argument('<shell>', 'the shell, or models').choices([...SHELLS, MODELS]))
    .addHelpText('after', EXAMPLES)
    .action(async (shell: Shell | typeof MODELS) => {
      if (shell !== MODELS) return void process.stdout.write(completionScript(shell, commandWords(await allCommands())));
      const names = [...(await cachedIds()), ...Object.keys(SHORT_NAMES), ...Object.keys(PULLED_MODELS)];
      process.stdout.write(`${names.join('\n')}\n`);
    });
}
