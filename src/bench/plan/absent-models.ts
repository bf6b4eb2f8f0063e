/** Models that a plan names and that are not there, and how they are made. */
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { SYNTH_MODELS, SYNTH_TYPES } from '../../models/synth-shapes.ts';
import { InputError } from '../../tensor/errors.ts';
import type { PlannedModel } from './plan.ts';

/** Speed does not depend on what weights say: any file of that shape will do where a real one is not at hand. */
const HOW = 'Random weights of their shapes do for measuring speed:';

/** @throws InputError that names all of them at once, before anything is measured, with the commands that make those of known shapes */
export function checkModels(models: readonly Pick<PlannedModel, 'path'>[]): void {
  const absent = [...new Set(models.map(({ path }) => path))].filter((path) => !existsSync(path));
  if (absent.length === 0) return;
  const commands = absent.flatMap((path) => commandFor(path) ?? []);
  const folders = [...new Set(absent.map(dirname))].filter((folder) => !existsSync(folder));
  const made = [...folders.map((folder) => `mkdir -p ${quoted(folder)}`), ...commands];
  const names = absent.length === 1 ? `The model ${absent[0]} is not there.` : `Models of the plan are not there: ${absent.join(', ')}.`;
  const elsewhere = 'Where they lie in another folder, name that by --models.';
  // One line, which a shell takes as it is: the command line joins lines of its messages.
  throw new InputError(`${names} ${elsewhere}${commands.length === 0 ? '' : ` ${HOW} ${made.join(' && ')}`}`);
}

/** As a shell takes it for one word. */
function quoted(path: string): string {
  return /^[\w./:@%+=,\\-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** `qwen3-0.6b.gguf`, `qwen3-0.6b-q8_0.gguf`: the name that `ingot synth` has for it, and the type. */
function commandFor(path: string): string | undefined {
  const file = basename(path).toLowerCase();
  const name = SYNTH_MODELS.find((model) => file === `${model}.gguf` || SYNTH_TYPES.some((type) => file === `${model}-${type}.gguf`));
  if (name === undefined) return undefined;
  const type = SYNTH_TYPES.find((one) => file === `${name}-${one}.gguf`);
  return `ingot synth ${name}${type === undefined ? '' : ` --type ${type}`} -o ${quoted(path)}`;
}
