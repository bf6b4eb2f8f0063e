/** The tasks of one model, one after the other, each with its engines in turn. */
import type { EngineFacts, EngineSettings } from './engine.ts';
import { startEngine } from './engine-client.ts';
import { keyOfWork } from './finished-work.ts';
import { limitShare } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { entrantsOf, roomFor, runsOf, tasksOf } from './model-run.ts';
import type { Entrant, ModelRun } from './model-run.ts';
import { alternate, summarise } from './statistics.ts';
import type { Contestant } from './statistics.ts';
import type { Task } from './task.ts';
import { idsOfRun } from './workloads.ts';

interface PlannedTask {
  readonly task: Task;
  /** All that take part. */
  readonly entrants: readonly Entrant[];
}

/** @throws what ingot throws; what was measured is reported before */
export async function measureModel(run: ModelRun): Promise<void> {
  const { pool, circumstances, notes, reporters, work } = run;
  const tasks = tasksOf(run);
  const plan = tasks.map((task) => ({ task, entrants: entrantsOf(run, task, roomFor(tasks, task.purpose, work)) }));
  let done = 0;
  try {
    for (const [i, planned] of plan.entries()) {
      const later = plan.slice(i).filter((entry) => entry.task.process === 'shared').flatMap((entry) => entry.entrants);
      await pool.keepOnly(later.map(({ planned: { engine }, settings }) => [engine, settings]));
      await measureTask(run, planned);
      done++;
    }
  } finally {
    // What was measured before a failure or a stop is told all the same.
    const left = plan.slice(done).map(({ task }) => task.name);
    if (left.length > 0) notes.push(`stopped: ${left.join('; ')} not measured, or not to the end`);
    for (const reporter of reporters) reporter.onModelEnd(circumstances, notes);
  }
}

/** What is the same for equal figures: not which other tasks there are, which decide the room that a process has. */
function keyOf({ plan, circumstances: { model, machine, device, commit } }: ModelRun, task: Task, { planned, settings }: Entrant): string {
  const { contextLength: _, streams: __, modelPath: ___, ...own } = settings;
  const isOwn = planned.engine === 'ingot' || planned.engine === 'ingot-server';
  return keyOfWork([
    task.name, task.workload, task.asks, plan.isQuick, plan.runs, plan.pauseMs, planned.title, own, model.sha256 ?? settings.modelPath,
    machine.cpu, device.description, isOwn ? commit : null,
  ]);
}

type Figures = readonly (number | undefined)[];
type OpenContestant = Contestant<Figures> & { facts?: EngineFacts };

function titleOf({ planned, settings }: Entrant, task: Task): string {
  return `${planned.title}${task.usesBatches && settings.batchSize !== undefined ? ` (batch ${settings.batchSize})` : ''}`;
}

function contestantOf({ pool, signal, work }: ModelRun, task: Task, entrant: Entrant): OpenContestant {
  const { planned: { engine }, settings } = entrant;
  const contestant: OpenContestant = {
    name: titleOf(entrant, task),
    async run(seed) {
      const ids = idsOfRun(seed, work?.vocabSize ?? 1);
      if (task.process === 'shared') {
        const client = await pool.open(engine, settings);
        contestant.facts = client.facts;
        return task.run({ engine: client, ids, signal });
      }
      const client = await startEngine(engine, settings, { signal, hasColdCaches: task.process === 'fresh with cold caches' });
      contestant.facts = client.facts;
      try {
        return await task.run({ engine: client, ids, signal });
      } finally {
        await client.close().catch(() => {});
      }
    },
  };
  return contestant;
}

async function measureTask(run: ModelRun, { task, entrants: all }: PlannedTask): Promise<void> {
  const { plan, notes, signal, progress, onProgress, finished, failed } = run;
  const entrants = all.map((entrant) => ({ entrant, key: keyOf(run, task, entrant) }))
    .filter(({ key, entrant: { planned } }) => !finished.has(key) && !failed.has(planned.title));
  const counted = task.runs ?? plan.runs;
  const each = runsOf(task, plan);
  progress.begin({ runs: all.length * each, seconds: task.seconds }, entrants.length * each);
  if (entrants.length === 0) return;
  const contestants = entrants.map(({ entrant }) => contestantOf(run, task, entrant));
  const report = (measured: ReadonlyMap<string, Figures[]>) => {
    for (const [i, contestant] of contestants.entries()) {
      const runs = measured.get(contestant.name) ?? [];
      const { entrant, key } = entrants[i]!;
      if (runs.length > 0) reportRuns(run, { task, entrant, key, facts: contestant.facts!, runs, isWhole: runs.length >= counted });
    }
  };
  const measured = await alternate(contestants, {
    runs: counted, warmups: each - counted, pauseMs: plan.pauseMs, signal,
    onRun(name, count) {
      onProgress(`${progress.text()}: ${task.name}, ${name}: ${count <= 0 ? 'warm-up' : `run ${count} of ${counted}`}`);
    },
    onRunEnd: () => progress.ran(),
    onFailure(contestant, error) {
      const { planned } = entrants[contestants.indexOf(contestant)]!.entrant;
      if (planned.engine === 'ingot') throw error;
      const why = error instanceof Error ? error.message : String(error);
      // One that did not even open will not do so for the next task.
      const hasOpened = (contestant as OpenContestant).facts !== undefined;
      if (!hasOpened && !failed.has(planned.title)) notes.push(`${planned.title} is left out: ${why}`);
      if (hasOpened) notes.push(`${task.name}: ${contestant.name} is left out: ${why}`);
      else failed.add(planned.title);
    },
    onStop: report,
  });
  report(measured);
}

interface TaskRuns {
  readonly task: Task;
  readonly entrant: Entrant;
  readonly key: string;
  readonly facts: EngineFacts;
  readonly runs: readonly Figures[];
  /** No run is missing. */
  readonly isWhole: boolean;
}

function reportRuns(run: ModelRun, { task, entrant, key, facts, runs, isWhole }: TaskRuns): void {
  const { plan, limits, work, circumstances, reporters } = run;
  const rates = { copyBytesPerSecond: limits.copyBytesPerSecond, multiplyAddsPerSecond: plan.multiplyAddsPerSecond };
  // An engine in a process of its own sends null for what it does not tell.
  const told = task.figures.map((figure, i) => ({ figure, values: runs.flatMap((figures) => figures[i] ?? []) }));
  const figures = told.filter(({ values }) => values.length > 0);
  for (const [i, { figure, values }] of figures.entries()) {
    const summary = summarise(values);
    const measurement: Measurement = {
      workload: task.workload, measure: figure.name, unit: figure.unit, isShown: figure.isShown,
      engine: { name: entrant.planned.title, version: facts.version, device: facts.device }, flags: flagsOf(entrant.settings, facts),
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
