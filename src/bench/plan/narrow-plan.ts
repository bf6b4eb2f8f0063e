/** A plan with what the command line says in place of some of it. */
import { basename, join } from 'node:path';
import { InputError } from '../../tensor/errors.ts';
import type { BenchmarkPlan, PlannedModel } from './plan.ts';

export interface Narrowing {
  /** Where the models lie, in place of the plan's folders. */
  readonly models?: string | undefined;
  /** Names of models, as their files have them without the ending: no others are measured. */
  readonly only?: readonly string[] | undefined;
  readonly maxMinutes?: number | undefined;
}

const nameOf = ({ path }: PlannedModel) => basename(path).replace(/\.gguf$/i, '');

/** @throws InputError for a name that no model of the plan has */
export function narrowPlan(plan: BenchmarkPlan, { models: folder, only, maxMinutes = plan.maxMinutes }: Narrowing): BenchmarkPlan {
  const unknown = only?.find((name) => !plan.models.some((model) => nameOf(model) === name));
  const names = plan.models.map(nameOf).join(', ');
  if (only?.length === 0) throw new InputError(`--only names no model; the plan has ${names}.`);
  if (unknown !== undefined)
    throw new InputError(`--only names ${JSON.stringify(unknown)}, which the plan does not have; it has ${names}.`);
  const kept = plan.models.filter((model) => only === undefined || only.includes(nameOf(model)));
  const moved = (path: string) => (folder === undefined ? path : join(folder, basename(path)));
  const models = kept.map((model) => ({
    ...model, path: moved(model.path), ...(model.reference === undefined ? {} : { reference: moved(model.reference) }),
  }));
  return { ...plan, models, maxMinutes };
}
