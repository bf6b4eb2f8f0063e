/** The tasks of one model, one after the other, each with its engines in turn. */
import type { EngineFacts, EngineSettings } from './engine.ts';
import { startEngine } from './engine-client.ts';
import { engineNamed } from './engines/engine-named.ts';
import { keyOfWork } from './finished-work.ts';
import { limitShare } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { entrantsOf, roomFor, runsOf, tasksOf } from './model-run.ts';
import type { Entrant, ModelRun } from './model-run.ts';
import { dayOf } from './occasion.ts';
import { alternate, summarise } from './statistics.ts';
import type { Contestant } from './statistics.ts';
import type { Task } from './task.ts';
import { idsOfRun } from './workloads.ts';

interface PlannedTask {
  readonly task: Task;
  /** All that take part. */
  readonly entrants: readonly Entrant[];
}

interface KeyedEntrant {
  readonly entrant: Entrant;
  readonly key: string;
}

/** @throws what ingot throws; what was measured is reported before */
export async function measureModel(run: ModelRun): Promise<void> {
  const { pool, circumstances, notes, reporters, work } = run;
  const tasks = tasksOf(run);
  const plan = tasks.map((task) => ({ task, entrants: entrantsOf(run, task, roomFor(tasks, task.purpose, work)) }));
  const left = new Set(tasks);
  try {
    for (const [i, planned] of plan.entries()) {
      const later = plan.slice(i).filter((entry) => entry.task.process === 'shared').flatMap((entry) => entry.entrants);
      await pool.keepOnly(later.map(({ planned: { engine }, settings }) => [engine, settings]));
      if (await measureTask(run, planned)) left.delete(planned.task);
    }
  } finally {
    // What was measured before a failure or a stop is told all the same.
    const names = [...left].map(({ name }) => name);
    if (names.length > 0) notes.push(`stopped: ${names.join('; ')} not measured, or not to the end`);
    for (const reporter of reporters) reporter.onModelEnd(circumstances, notes);
  }
}

/**
 * What is the same for equal figures: not which other tasks there are, which decide the room that a process has. A build that nothing tells
 * but asking it, as of a server, counts for its day.
 */
function keyOf({ plan, session, circumstances: { model, machine, device, commit } }: ModelRun, task: Task, entrant: Entrant): string {
  const { planned, settings } = entrant;
  const { contextLength: _, streams: __, modelPath: ___, pictures: ____, ...own } = settings;
  const isOwn = planned.engine.startsWith('ingot');
  return keyOfWork([
    task.name, task.workload, task.asks, plan.isQuick, plan.runs, plan.pauseMs, planned.title, own, model.sha256 ?? settings.modelPath,
    machine.host, machine.cpu, machine.cores, device.description, isOwn ? commit : null,
    engineNamed(planned.engine).build(settings) ?? session.slice(0, 10),
  ]);
}

type Figures = readonly (number | undefined)[];
type Flags = EngineFacts['flags'];
/** @property told what a run said of itself */
type OpenContestant = Contestant<Figures> & { facts?: EngineFacts; told?: Flags };

/** Each setting that is tried has a name of its own. */
function titleOf({ planned: { title, threads }, settings: { batchSize } }: Entrant, task: Task): string {
  const batch = task.usesBatches && batchSize !== undefined ? [`batch ${batchSize}`] : [];
  const told = [...(threads === undefined ? [] : [`${threads} ${threads === 1 ? 'thread' : 'threads'}`]), ...batch];
  return `${title}${told.length === 0 ? '' : ` (${told.join(', ')})`}`;
}

function contestantOf({ pool, signal, work }: ModelRun, task: Task, entrant: Entrant): OpenContestant {
  const { planned: { engine }, settings } = entrant;
  const contestant: OpenContestant = {
    name: titleOf(entrant, task),
    async run(seed) {
      const ids = idsOfRun(seed, work?.vocabSize ?? 1);
      const told = (flags: Flags) => void (contestant.told = { ...contestant.told, ...flags });
      if (task.process === 'shared') {
        const client = await pool.open(engine, settings);
        contestant.facts = client.facts;
        return task.run({ engine: client, ids, signal, told });
      }
      const client = await startEngine(engine, settings, { signal, hasColdCaches: task.process === 'fresh with cold caches' });
      contestant.facts = client.facts;
      try {
        return await task.run({ engine: client, ids, signal, told });
      } finally {
        await client.close().catch(() => {});
      }
    },
  };
  return contestant;
}

type KeptFigures = ReturnType<ModelRun['finished']['figuresOf']>;

/** Tells reporters of what an earlier session left of a task. */
function tellKept(reporters: ModelRun['reporters'], task: Task, kept: KeptFigures): void {
  for (const figure of [...kept.values()].flat()) {
    const isShown = task.figures.find(({ name }) => name === figure.measure)?.isShown ?? false;
    for (const reporter of reporters) reporter.onKept?.({ ...figure, isShown }, dayOf(figure));
  }
}

/** @returns whether all that could be measured was, to its end */
async function measureTask(run: ModelRun, { task, entrants }: PlannedTask): Promise<boolean> {
  const { plan, progress, reporters, failed } = run;
  const each = runsOf(task, plan);
  const keyed = entrants.map((entrant): KeyedEntrant => ({ entrant, key: keyOf(run, task, entrant) }));
  const kept = run.finished.figuresOf(keyed.map(({ key }) => key));
  const able = () => keyed.filter(({ entrant }) => !failed.has(entrant.planned.title));
  const missing = able().filter(({ key }) => !kept.has(key));
  progress.begin({ runs: entrants.length * each, seconds: task.seconds }, missing.length === 0 ? 0 : able().length * each);
  // Figures compare within one session: where one is missing, all are measured again, in turn, but not for one that cannot be.
  if (missing.length > 0 && (kept.size === 0 || (await canAny(run, task, missing)))) {
    const { hasFigures, isWhole } = await measureInTurn(run, task, able());
    if (hasFigures || kept.size === 0) return isWhole;
  } else if (missing.length > 0) progress.leave(able().length * each);
  tellKept(reporters, task, kept);
  return missing.length === 0 || !run.isOver();
}

/** Whether one of them can do a task at all: a run each that does not count, where a task has such. */
async function canAny(run: ModelRun, task: Task, entrants: readonly KeyedEntrant[]): Promise<boolean> {
  if (runsOf(task, run.plan) === 1) return true;
  const contestants = entrants.map(({ entrant }) => contestantOf(run, task, entrant));
  const { pauseMs } = run.plan;
  const onFailure = failureTeller(run, task, { contestants, entrants });
  return (await alternate(contestants, { runs: 0, pauseMs, signal: run.signal, isOver: run.isOver, onFailure })).size > 0;
}

interface Measured {
  readonly hasFigures: boolean;
  readonly isWhole: boolean;
}

async function measureInTurn(run: ModelRun, task: Task, entrants: readonly KeyedEntrant[]): Promise<Measured> {
  const { plan, signal, progress, onProgress } = run;
  const counted = task.runs ?? plan.runs;
  const contestants = entrants.map(({ entrant }) => contestantOf(run, task, entrant));
  const report = (measured: ReadonlyMap<string, Figures[]>) => {
    for (const [i, { name, facts, told }] of contestants.entries()) {
      const runs = measured.get(name) ?? [];
      if (runs.length > 0) reportRuns(run, { task, ...entrants[i]!, facts: facts!, told, runs, isWhole: runs.length >= counted });
    }
  };
  const measured = await alternate(contestants, {
    runs: counted, warmups: runsOf(task, plan) - counted, pauseMs: plan.pauseMs, signal, isOver: run.isOver,
    onRun(name, count) {
      onProgress(`${progress.text()}: ${task.name}, ${name}: ${count <= 0 ? 'warm-up' : `run ${count} of ${counted}`}`);
    },
    onRunEnd: () => progress.ran(),
    onFailure: failureTeller(run, task, { contestants, entrants }),
    onStop: report,
  });
  report(measured);
  const all = [...measured.values()];
  return { hasFigures: all.some((runs) => runs.length > 0), isWhole: all.every((runs) => runs.length >= counted) };
}

interface Contest {
  readonly contestants: readonly OpenContestant[];
  readonly entrants: readonly KeyedEntrant[];
}

/** Notes that a rival takes no part, and why. What it gives throws what Ingot throws. */
function failureTeller({ notes, failed }: ModelRun, task: Task, { contestants, entrants }: Contest) {
  return (contestant: OpenContestant, error: unknown) => {
    const { planned } = entrants[contestants.indexOf(contestant)]!.entrant;
    if (planned.engine === 'ingot') throw error;
    const why = error instanceof Error ? error.message : String(error);
    // One that did not even open will not do so for the next task.
    const hasOpened = contestant.facts !== undefined;
    if (!hasOpened && !failed.has(planned.title)) notes.push(`${planned.title} is left out: ${why}`);
    if (hasOpened) notes.push(`${task.name}: ${contestant.name} is left out: ${why}`);
    else failed.add(planned.title);
  };
}

interface TaskRuns {
  readonly task: Task;
  readonly entrant: Entrant;
  readonly key: string;
  readonly facts: EngineFacts;
  readonly told: Flags | undefined;
  readonly runs: readonly Figures[];
  /** No run is missing. */
  readonly isWhole: boolean;
}

function reportRuns(run: ModelRun, { task, entrant, key, facts, told: toldByRun, runs, isWhole }: TaskRuns): void {
  const { plan, limits, work, circumstances, reporters } = run;
  const rates = { copyBytesPerSecond: limits.copyBytesPerSecond, multiplyAddsPerSecond: plan.multiplyAddsPerSecond };
  // An engine in a process of its own sends null for what it does not tell.
  const told = task.figures.map((figure, i) => ({ figure, values: runs.flatMap((figures) => figures[i] ?? []) }));
  const figures = told.filter(({ values }) => values.length > 0);
  for (const [i, { figure, values }] of figures.entries()) {
    const summary = summarise(values);
    const measurement: Measurement = {
      workload: task.workload, measure: figure.name, unit: figure.unit, isShown: figure.isShown,
      engine: { name: entrant.planned.title, version: facts.version, device: facts.device },
      flags: { ...flagsOf(entrant.settings, facts), ...toldByRun },
      runs: values, ...summary, asked: key, part: `${i + 1}/${figures.length}`, isWhole,
      limit: figure.work === undefined || work === undefined ? null : limitShare(summary.median, figure.work(work), rates),
    };
    for (const reporter of reporters) reporter.onMeasurement(measurement, circumstances);
  }
}

/** What the engine says that it took, and what it was told and does not say. */
function flagsOf({ modelName, backend, gpu }: EngineSettings, { flags }: EngineFacts): EngineFacts['flags'] {
  const told = Object.entries({ model: modelName, backend, gpu }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(told as [string, string | number][]), ...flags };
}
