import type { Command } from 'commander';

/** Names that may stand first on the command line, `help` among them. */
export function commandNames(program: Command): string[] {
  return [...program.commands.map((command) => command.name()), 'help'];
}
