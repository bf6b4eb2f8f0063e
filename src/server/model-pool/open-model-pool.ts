/** The options of `createServer` that say which models there are, checked. */
import { InputError } from '../../tensor/errors.ts';
import { checkInteger, describeValue } from '../../tensor/option-names.ts';
import { MODEL_KINDS } from '../api.ts';
import type { ModelKind, ServerOptions } from '../api.ts';
import { createEntry } from './model-entry.ts';
import type { ModelEntry } from './model-entry.ts';
import { createModelPool } from './model-pool.ts';
import type { ModelPool } from './model-pool.ts';

type ModelOptions = Pick<ServerOptions, 'models' | 'aliases' | 'pinned' | 'memoryBytes' | 'idleMs'>;

function entriesOf({ models, pinned = [], idleMs }: ModelOptions): ModelEntry[] {
  if (typeof models !== 'object' || models === null)
    throw new InputError(`models must be an object of models by name, found ${describeValue(models)}.`);
  const named = Object.entries(models);
  if (named.length === 0)
    throw new InputError('models has no model: the server needs at least one, by the name that requests have for it.');
  return named.map(([name, of]) => {
    if (name === '') throw new InputError('models has a model with an empty name.');
    const { generate, segments, speak, load, kind } = (of ?? {}) as Partial<Record<'generate' | 'segments' | 'speak' | 'load' | 'kind',
    unknown>>;
    if (![generate, segments, speak, load].some((one) => typeof one === 'function'))
      throw new InputError(`models[${JSON.stringify(name)}] must be a loaded model, or an object with load, found ${describeValue(of)}.`);
    if (typeof load === 'function' && kind !== undefined && !MODEL_KINDS.includes(kind as ModelKind))
      throw new InputError(`models[${JSON.stringify(name)}].kind must be one of ${MODEL_KINDS.join(', ')}, found ${describeValue(kind)}.`);
    return createEntry({ name, of, isPinned: pinned.includes(name), idleMs });
  });
}

/** @throws InputError for a name that stands for nothing, or for two models */
function checkNames(names: readonly string[], { aliases = {}, pinned = [] }: ModelOptions): void {
  const there = `There is ${names.join(', ')}.`;
  for (const [alias, name] of Object.entries(aliases)) {
    if (alias === '' || names.includes(alias)) throw new InputError(`aliases has ${JSON.stringify(alias)}, which is a model's own name.`);
    if (!names.includes(name))
      throw new InputError(`aliases has ${JSON.stringify(alias)} for ${describeValue(name)}, which is no model. ${there}`);
  }
  const unknown = pinned.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new InputError(`pinned has ${describeValue(unknown)}, which is no model. ${there}`);
}

/** @param waitMs most milliseconds that a request waits for its model @throws InputError for what cannot be meant */
export function openModelPool(options: ModelOptions, waitMs: number): ModelPool {
  const { aliases = {}, pinned = [], memoryBytes, idleMs } = options;
  if (!Array.isArray(pinned)) throw new InputError(`pinned must be a list of names, found ${describeValue(pinned)}.`);
  if (typeof aliases !== 'object' || aliases === null || Array.isArray(aliases))
    throw new InputError(`aliases must be an object of names by name, found ${describeValue(aliases)}.`);
  checkInteger('memoryBytes', memoryBytes, { min: 1 });
  checkInteger('idleMs', idleMs, { min: 0 });
  const entries = entriesOf(options);
  checkNames(entries.map(({ name }) => name), options);
  return createModelPool({ entries, aliases: new Map(Object.entries(aliases)), memoryBytes: memoryBytes ?? Infinity, waitMs, idleMs });
}
