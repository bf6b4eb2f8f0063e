/** Which of `run`'s arguments is the model and which the prompt. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './exit-codes.ts';

export interface RunArguments {
  /** Undefined: the bundled model. */
  readonly model: string | undefined;
  /** Undefined: from stdin. */
  readonly prompt: string | undefined;
}

/** @throws UsageError for more than a model and a prompt */
export function resolveRunArguments(args: readonly string[], { model, ids }: { readonly model?: string; readonly ids?: unknown }): RunArguments {
  const most = (model === undefined ? 2 : 1) - (ids === undefined ? 0 : 1);
  if (args.length > most) {
    const shown = args.slice(0, 3).map((arg) => JSON.stringify(arg)).join(' ');
    throw new UsageError(`expected ${describeExpected(most, model)}, found ${args.length} arguments (${shown}${args.length > 3 ? ' ...' : ''}). Put the prompt in quotes.`);
  }
  if (ids !== undefined) return { model: model ?? args[0], prompt: undefined };
  if (model !== undefined) return { model, prompt: args[0] };
  if (args.length === 2) return { model: args[0], prompt: args[1] };
  return args[0] !== undefined && namesModel(args[0]) ? { model: args[0], prompt: undefined } : { model: undefined, prompt: args[0] };
}

function describeExpected(most: number, model: string | undefined): string {
  if (most === 0) return 'no argument beside --model and --ids';
  if (most === 2) return 'a model and a prompt';
  return model === undefined ? 'a model' : 'a prompt';
}

/** One argument is the prompt, unless nobody would ask it: the name of a model's file, or its folder. */
function namesModel(argument: string): boolean {
  return /^\S+\.(gguf|safetensors)$/i.test(argument) || (!argument.includes('\n') && existsSync(join(argument, 'config.json')));
}
