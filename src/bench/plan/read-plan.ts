/** A plan's file: read, checked, with its defaults. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { KvChoice } from '../../graph/kv-types.ts';
import type { DeviceChoice } from '../../node/device-choice.ts';
import { InputError } from '../../tensor/errors.ts';
import type { WorkloadName } from '../engine.ts';
import type { Sizes } from '../task.ts';
import { DEFAULT_WORKLOADS } from '../workloads.ts';
import { checkPlan } from './check-plan.ts';
import type { BenchmarkPlan, PlannedEngine, PlannedModel } from './plan.ts';
import { PLAN_SCHEMA } from './plan-schema.ts';

type FileModel = string | (Omit<PlannedModel, 'as'> & { readonly as?: Readonly<Record<string, string>> });
type FileEngine = string | (Omit<PlannedEngine, 'title' | 'isIsolated'> & { readonly title?: string; readonly isolated?: boolean });

/** What a checked file holds. */
export interface PlanFile {
  readonly models: readonly FileModel[];
  readonly engines?: readonly FileEngine[];
  readonly devices?: readonly DeviceChoice[];
  readonly threads?: number;
  readonly kvType?: KvChoice;
  readonly workloads?: readonly WorkloadName[];
  readonly sizes?: Partial<Sizes>;
  readonly text?: string;
  readonly tasks?: string;
  readonly sound?: string;
  readonly runs?: number;
  readonly pause?: number;
  readonly quick?: boolean;
  readonly maxMinutes?: number;
  readonly matrixRate?: number;
  readonly results?: string;
}

export interface ReadPlan {
  readonly plan: BenchmarkPlan;
  readonly results: string;
}

export const PLAN_DEFAULTS = { runs: 5, pause: 3 } as const;
/** Whether it runs is the question, not how fast. */
export const QUICK_DEFAULTS = { runs: 1, pause: 0 } as const;

/** @throws InputError for what is no plan, by the name of where it stands */
export function readPlan(path: string): ReadPlan {
  const file = parse(path);
  checkPlan(file, PLAN_SCHEMA, '', path);
  return resolvePlan(file as PlanFile, path);
}

function parse(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError(`The plan ${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`The plan ${path} is not valid JSON: ${(error as Error).message}.`, { cause: error });
  }
}

/** Paths of a file are from where that lies. */
function resolvePlan(file: PlanFile, path: string): ReadPlan {
  const from = (name: string) => (isAbsolute(name) ? name : join(dirname(path), name));
  const fromMaybe = (name: string | undefined) => (name === undefined ? undefined : from(name));
  const engines = (file.engines ?? ['ingot']).map((each): PlannedEngine => {
    if (typeof each === 'string') return { engine: each, title: each };
    const { program, packages, isolated, ...own } = each;
    // A program without a folder is searched for where programs lie.
    const found = program?.includes('/') === true ? from(program) : program;
    return { ...own, title: each.title ?? each.engine, program: found, packages: fromMaybe(packages), isIsolated: isolated };
  });
  checkTitles(engines, path);
  const models = file.models.map((each): PlannedModel => {
    if (typeof each === 'string') return { path: from(each), as: {} };
    checkNames(each.as ?? {}, engines, path);
    // A name of another engine's is a path where it begins as one.
    const as = Object.entries(each.as ?? {}).map(([title, name]) => [title, /^\.\.?\//.test(name) ? from(name) : name] as const);
    return { ...each, path: from(each.path), as: Object.fromEntries(as), reference: fromMaybe(each.reference) };
  });
  const { devices = ['auto'], threads, kvType, workloads = DEFAULT_WORKLOADS, sizes = {}, quick = false, matrixRate } = file;
  const usual = quick ? QUICK_DEFAULTS : PLAN_DEFAULTS;
  const plan: BenchmarkPlan = {
    models, engines, devices, threads, kvType, workloads, sizes, runs: file.runs ?? usual.runs, pauseMs: 1000 * (file.pause ?? usual.pause),
    files: { text: fromMaybe(file.text), tasks: fromMaybe(file.tasks), sound: fromMaybe(file.sound) }, isQuick: quick,
    multiplyAddsPerSecond: matrixRate === undefined ? undefined : matrixRate * 1e12, maxMinutes: file.maxMinutes,
  };
  return { plan, results: fromMaybe(file.results) ?? path.replace(/(\.json)?$/, '.jsonl') };
}

/** One engine may stand there with several numbers of threads: the better is quoted. */
function checkTitles(engines: readonly PlannedEngine[], path: string): void {
  const isTwice = ({ engine, title, threads }: PlannedEngine, i: number) =>
    engines.slice(0, i).some((other) => other.title === title && (other.engine !== engine || other.threads === threads));
  const twice = engines.find(isTwice);
  if (twice !== undefined)
    throw new InputError(`engines in ${path} has ${JSON.stringify(twice.title)} twice: give one a "title", or other "threads".`);
}

function checkNames(as: Readonly<Record<string, string>>, engines: readonly PlannedEngine[], path: string): void {
  const titles = engines.map(({ title }) => title);
  const unknown = Object.keys(as).find((name) => !titles.includes(name));
  const what = `"as" of a model in ${path} names ${JSON.stringify(unknown)}`;
  if (unknown !== undefined) throw new InputError(`${what}, which is none of its engines: ${titles.join(', ')}.`);
}

/** The plan as a file that says the same, all defaults in it. */
export function printedPlan({ plan, results }: ReadPlan): PlanFile {
  const { models, engines, devices, threads, kvType, workloads, sizes, files, runs, pauseMs, isQuick, multiplyAddsPerSecond } = plan;
  const written = engines.map(({ isIsolated, ...engine }) => ({ ...engine, isolated: isIsolated }));
  return {
    models, engines: written, devices, threads, kvType, workloads, sizes, ...files, runs, pause: pauseMs / 1000, quick: isQuick,
    maxMinutes: plan.maxMinutes,
    matrixRate: multiplyAddsPerSecond === undefined ? undefined : multiplyAddsPerSecond / 1e12, results,
  } as PlanFile;
}
