/** What may stand where on the command line, read off commander's own tables. */
import type { Argument, Command, Option } from 'commander';

/** What a value may be: one of some words, a model's name or path, a file, a folder; or nothing that could be guessed. */
export type ValueKind = { readonly choices: readonly string[] } | 'model' | 'file' | 'folder' | 'none';

export interface OptionWords {
  /** `-m`, `--model` */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined for a switch. */
  readonly value: ValueKind | undefined;
}

export interface CommandWords {
  /** `chat`, `keys create`; empty for a line without a command. */
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  readonly argument: ValueKind;
  /** Names of commands that may follow. */
  readonly commands: readonly string[];
}

/** A line without a command first; then each command, and those below it. */
export function commandWords(program: Command): readonly CommandWords[] {
  const fallback = program.commands.find((command) => command.name() === 'run')!;
  const bare: CommandWords = {
    ...wordsOf(fallback, ''),
    commands: [...program.commands.map((command) => command.name()), 'help'],
    options: [...optionsOf(program), ...optionsOf(fallback)],
  };
  return [bare, ...program.commands.flatMap((command) => below(command, command.name())), { ...bare, name: 'help', options: [] }];
}

function below(command: Command, name: string): readonly CommandWords[] {
  return [wordsOf(command, name), ...command.commands.flatMap((each) => below(each, `${name} ${each.name()}`))];
}

function wordsOf(command: Command, name: string): CommandWords {
  return {
    name,
    description: command.summary() || command.description(),
    options: optionsOf(command),
    argument: kindOf(command.registeredArguments[0]),
    commands: command.commands.map((each) => each.name()),
  };
}

function optionsOf(command: Command): readonly OptionWords[] {
  const help: OptionWords = { flags: ['-h', '--help'], description: 'help', value: undefined };
  const shown = command.options.filter(({ hidden }) => !hidden);
  return [...shown.map((option) => ({ flags: flagsOf(option), description: option.description, value: valueOf(option) })), help];
}

function flagsOf({ short, long }: Option): readonly string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

function valueOf(option: Option): ValueKind | undefined {
  if (option.isBoolean() || option.negate) return undefined;
  if (option.argChoices !== undefined) return { choices: option.argChoices };
  return kindByName(/[<[](\w+)/.exec(option.flags)?.[1] ?? '');
}

function kindOf(argument: Argument | undefined): ValueKind {
  if (argument === undefined) return 'none';
  if (argument.argChoices !== undefined) return { choices: argument.argChoices };
  // A list that the description gives is all that there is.
  const listed = /^one of ((?:[\w.-]+(?:, )?)+)$/.exec(argument.description)?.[1];
  if (listed !== undefined) return { choices: listed.split(', ') };
  if (/GGUF|of the hub|in the cache|"ingot list"|ids and names|\bmodels?\b/.test(argument.description)) return 'model';
  return kindByName(argument.name());
}

function kindByName(name: string): ValueKind {
  if (name === 'model' || name === 'models') return 'model';
  if (name === 'folder') return 'folder';
  return ['file', 'files', 'path'].includes(name) ? 'file' : 'none';
}
