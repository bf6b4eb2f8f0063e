/** Which of the arguments is a command, which the model and which the prompt. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './exit-codes.ts';
import { hubIdOf } from '../node/hub/hub-id.ts';
import { expandHome, isUrl } from './input-path.ts';
import { didYouMean } from './suggestions.ts';

export interface RunArguments {
  /** Undefined: the bundled model. */
  readonly model: string | undefined;
  /** Undefined: from stdin. */
  readonly prompt: string | undefined;
}

export interface RunArgumentFlags {
  readonly model?: string;
  readonly ids?: unknown;
}

/** @throws UsageError for more than a model and a prompt */
export function resolveRunArguments(args: readonly string[], { model, ids }: RunArgumentFlags): RunArguments {
  const most = (model === undefined ? 2 : 1) - (ids === undefined ? 0 : 1);
  if (args.length > most)
    throw new UsageError(
      `expected ${describeExpected(most, model)}, found ${args.length} arguments (${shown(args)}). Put the prompt in quotes.`,
    );
  if (ids !== undefined) return { model: model ?? args[0], prompt: undefined };
  if (model !== undefined) return { model, prompt: args[0] };
  if (args.length === 2) {
    if (isModelLike(args[0]!) || existsSync(args[0]!)) return { model: args[0], prompt: args[1] };
    throw new UsageError(
      `expected a model and a prompt, found ${shown(args)}: there is no file ${JSON.stringify(args[0])}. To send both as one prompt, ` +
        `put them in quotes: ingot run ${JSON.stringify(args.join(' '))}`,
    );
  }
  return args[0] !== undefined && isModelLike(args[0]) ? { model: args[0], prompt: undefined } : { model: undefined, prompt: args[0] };
}

function shown(args: readonly string[]): string {
  return `${args.slice(0, 3).map((arg) => JSON.stringify(arg)).join(' ')}${args.length > 3 ? ' ...' : ''}`;
}

function describeExpected(most: number, model: string | undefined): string {
  if (most === 0) return 'no argument beside --model and --ids';
  if (most === 2) return 'a model and a prompt';
  return model === undefined ? 'a model' : 'a prompt';
}

/** One argument is the prompt, unless nobody would ask it: a model's file or folder, a path, a URL or an id of the hub. */
function isModelLike(argument: string): boolean {
  if (/^\S+\.(gguf|safetensors)$/i.test(argument) || /^(https?|file):\/\/\S+$/i.test(argument) || /^(\.{1,2}|~)?[/\\]\S+$/.test(argument))
    return true;
  if (argument.includes('\n')) return false;
  if (hubIdOf(argument) !== undefined) return true;
  const path = expandHome(argument);
  return (/\.(gguf|safetensors)$/i.test(argument) && existsSync(path)) || existsSync(join(path, 'config.json')) || isDirectory(path);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** What a command could be called. */
const BARE_WORD = /^[a-z0-9][\w.:-]*$/i;

/**
 * Arguments without a command are a model, a prompt, or both. But a bare word that names no file is a command that does not exist:
 * `ingot serve` shall not be answered by the model.
 * @throws UsageError
 */
export function checkFirstArgument(args: readonly string[], commands: readonly string[]): void {
  const [first] = args;
  if (first === undefined) return;
  if (commands.includes(first)) throw new UsageError(`options go after the command: ingot ${first} [options].`);
  if (!BARE_WORD.test(first) || isUrl(first) || isModelLike(first)) return;
  if (existsSync(first)) {
    if (args.length > 1) return;
    throw new UsageError(`${JSON.stringify(first)} is a file, but no model. To send its text as the prompt: ingot run - < ${first}`);
  }
  const words = args.some((arg) => arg.startsWith('-')) ? first : args.join(' ');
  const command = words === first ? 'ingot run' : 'ingot';
  throw new UsageError(
    `there is no command ${JSON.stringify(first)}.${didYouMean(first, commands)} "ingot --help" lists commands. ` +
      `To send it as a prompt: ${command} ${JSON.stringify(words)}`,
  );
}
