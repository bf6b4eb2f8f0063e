/** Measures models: every task with every engine, in turn, and hands each figure to the reporters. */
import type { KvChoice } from '../graph/kv-types.ts';
import type { DeviceChoice } from '../node/device-choice.ts';
import { startEngine, startLimits } from './engine-client.ts';
import type { DeviceLimits } from './device-limits.ts';
import type { Engine, EngineFacts, EngineSettings, WorkloadName } from './engine.ts';
import { createEnginePool } from './engine-pool.ts';
import type { EnginePool } from './engine-pool.ts';
import { engineNamed } from './engines.ts';
import { describeCommit, describeMachine, describeModel } from './machine.ts';
import { limitShare } from './measurement.ts';
import type { Circumstances, Measurement, Reporter } from './measurement.ts';
import { readModelWork } from './model-work.ts';
import type { ModelWork } from './model-work.ts';
import { alternate, summarise, WARMUPS } from './statistics.ts';
import type { Contestant } from './statistics.ts';
import { idsOfRun, PROTOCOL_SIZES, QUICK_SIZES, WORKLOADS } from './workloads.ts';
import type { Sizes, Task } from './task.ts';

export interface BenchmarkRequest {
  readonly models: readonly string[];
  readonly device: DeviceChoice;
  readonly threads?: number | undefined;
  /** Names of the engines to compare with. */
  readonly against: readonly string[];
  /** A rival's own name of the device. */
  readonly backend?: string | undefined;
  /** Paths of the programs of engines that are one, by the engine's name. */
  readonly programs: Readonly<Record<string, string | undefined>>;
  readonly workloads: readonly WorkloadName[];
  readonly runs: number;
  readonly pauseMs: number;
  readonly isQuick: boolean;
  /** Set in place of the protocol's. */
  readonly sizes: Partial<Sizes>;
  /** Of ingot's keys and values; rivals have f16. */
  readonly kvType?: KvChoice | undefined;
  /** What prefill is held against; stated, not measured. */
  readonly multiplyAddsPerSecond?: number | undefined;
  readonly reporters: readonly Reporter[];
  readonly signal: AbortSignal;
  /** What is being done now, in a few words. */
  onProgress(text: string): void;
}

/** Everything that one model's tasks need. */
interface ModelRun {
  readonly request: BenchmarkRequest;
  readonly limits: DeviceLimits;
  readonly circumstances: Circumstances;
  readonly work: ModelWork;
  readonly engines: readonly Engine[];
  readonly base: EngineSettings;
  readonly pool: EnginePool;
  readonly notes: string[];
}

/**
 * Resolves when all models were measured. A rival that fails is left out, with a note; where ingot fails, this rejects. No process is
 * left behind, not when the signal aborts either.
 */
export async function runBenchmark(request: BenchmarkRequest): Promise<void> {
  const { device, threads, models, kvType, signal, onProgress } = request;
  // A model that cannot be read is told of before an hour of measuring others.
  const works: ModelWork[] = [];
  for (const modelPath of models) works.push(await readModelWork(modelPath, { signal, kvType }));
  onProgress('measuring the device');
  const limits = await startLimits({ device, threads }, signal);
  for (const [i, modelPath] of models.entries()) {
    const pool = createEnginePool(signal);
    try {
      await measureModel(await openModelRun(request, { modelPath, work: works[i]!, limits, pool }));
    } finally {
      await pool.closeAll();
    }
  }
}

type ModelStart = Pick<ModelRun, 'work' | 'limits' | 'pool'> & { readonly modelPath: string };

async function openModelRun(request: BenchmarkRequest, { modelPath, work, limits, pool }: ModelStart): Promise<ModelRun> {
  const { signal, threads, backend, programs, pauseMs, isQuick, against, onProgress } = request;
  onProgress(`reading ${modelPath}`);
  const notes: string[] = [];
  const rivals = against.map(engineNamed).filter((engine) => {
    const problem = engine.problem({ modelPath, program: programs[engine.name] });
    if (problem !== undefined) notes.push(`${engine.name} is left out: ${problem}`);
    return problem === undefined;
  });
  if (limits.kind === 'software' && rivals.length > 0) notes.push('ingot runs on a software GPU; the others compute on the CPU');
  const circumstances = {
    commit: await describeCommit(), machine: describeMachine(), device: limits, model: await describeModel(modelPath, signal),
    warmups: WARMUPS, pauseSeconds: pauseMs / 1000, isQuick,
  };
  const { kvType } = request;
  const base: EngineSettings = { modelPath, device: limits.kind, threads, backend, contextLength: work.contextLength, kvType };
  return { request, limits, circumstances, work, engines: [engineNamed('ingot'), ...rivals], base, pool, notes };
}

/** Tasks that the model has room for. */
function tasksOf({ request, limits, work, notes }: ModelRun): Task[] {
  const sizes = { ...(request.isQuick ? QUICK_SIZES : PROTOCOL_SIZES), ...request.sizes };
  const all = request.workloads.flatMap((name) => WORKLOADS[name](sizes, limits.kind === 'gpu'));
  return all.filter(({ name, contextTokens }) => {
    const fits = contextTokens <= work.contextLength;
    if (!fits) notes.push(`${name} is left out: it takes ${contextTokens} positions, and the model has ${work.contextLength}`);
    return fits;
  });
}

/** An engine with one choice of its settings. */
interface Entrant {
  readonly engine: Engine;
  readonly settings: EngineSettings;
}

/** Settings that hold for all tasks, so that one process serves them. */
type Room = Pick<EngineSettings, 'contextLength' | 'streams'>;

function roomFor(tasks: readonly Task[]): Room {
  const streams = Math.max(0, ...tasks.map((task) => task.streams ?? 0));
  return { contextLength: Math.max(1, ...tasks.map((task) => task.contextTokens)), streams: streams === 0 ? undefined : streams };
}

function entrantsOf({ engines, base, request }: ModelRun, task: Task, room: Room): Entrant[] {
  return engines.filter(({ workloads }) => workloads.includes(task.workload)).flatMap((engine) => {
    const sizes = task.usesBatches && engine.batchSizes.length > 0 ? engine.batchSizes : [engine.batchSizes[0]];
    const settings = { ...base, ...room, program: request.programs[engine.name], isConversation: task.isConversation };
    return sizes.map((batchSize) => ({ engine, settings: { ...settings, batchSize } }));
  });
}

async function measureModel(run: ModelRun): Promise<void> {
  const { pool, circumstances, notes, request } = run;
  const tasks = tasksOf(run);
  const room = roomFor(tasks);
  const plan = tasks.map((task) => ({ task, entrants: entrantsOf(run, task, room) }));
  let done = 0;
  try {
    for (const [i, { task, entrants }] of plan.entries()) {
      const later = plan.slice(i).filter((entry) => entry.task.process === 'shared').flatMap((entry) => entry.entrants);
      await pool.keepOnly(later.map(({ engine, settings }) => [engine.name, settings]));
      await measureTask(run, task, entrants);
      done++;
    }
  } finally {
    // What was measured before a failure or a stop is told all the same.
    if (done < plan.length)
      notes.push(
        `stopped: ${plan
          .slice(done)
          .map(({ task }) => task.name)
          .join('; ')} not measured, or not to the end`,
      );
    for (const reporter of request.reporters) reporter.onModelEnd(circumstances, notes);
  }
}

type Figures = readonly (number | undefined)[];

function contestantOf(
  { pool, request, work }: ModelRun,
  task: Task,
  { engine, settings }: Entrant,
): Contestant<Figures> & { facts?: EngineFacts } {
  const contestant: Contestant<Figures> & { facts?: EngineFacts } = {
    name: `${engine.name}${task.usesBatches && settings.batchSize !== undefined ? ` (batch ${settings.batchSize})` : ''}`,
    async run(seed) {
      const ids = idsOfRun(seed, work.vocabSize);
      if (task.process === 'shared') {
        const client = await pool.open(engine.name, settings);
        contestant.facts = client.facts;
        return task.run({ engine: client, ids });
      }
      const client = await startEngine(engine.name, settings, {
        signal: request.signal,
        hasColdCaches: task.process === 'fresh with cold caches',
      });
      contestant.facts = client.facts;
      try {
        return await task.run({ engine: client, ids });
      } finally {
        await client.close().catch(() => {});
      }
    },
  };
  return contestant;
}

async function measureTask(run: ModelRun, task: Task, entrants: readonly Entrant[]): Promise<void> {
  const { request, notes } = run;
  const contestants = entrants.map((entrant) => contestantOf(run, task, entrant));
  const report = (measured: ReadonlyMap<string, Figures[]>) => {
    for (const [i, contestant] of contestants.entries()) {
      const runs = measured.get(contestant.name) ?? [];
      if (runs.length > 0) reportRuns(run, { task, engine: entrants[i]!.engine, facts: contestant.facts!, runs });
    }
  };
  const measured = await alternate(contestants, {
    runs: request.runs, pauseMs: request.pauseMs, signal: request.signal,
    onRun: (name, count) => request.onProgress(`${task.name}, ${name}: ${count === 0 ? 'warm-up' : `run ${count} of ${request.runs}`}`),
    onFailure({ name }, error) {
      if (name === 'ingot') throw error;
      notes.push(`${task.name}: ${name} is left out: ${error instanceof Error ? error.message : String(error)}`);
    },
    onStop: report,
  });
  report(measured);
}

interface TaskRuns {
  readonly task: Task;
  readonly engine: Engine;
  readonly facts: EngineFacts;
  readonly runs: readonly Figures[];
}

function reportRuns({ request, limits, work, circumstances }: ModelRun, { task, engine, facts, runs }: TaskRuns): void {
  const rates = { copyBytesPerSecond: limits.copyBytesPerSecond, multiplyAddsPerSecond: request.multiplyAddsPerSecond };
  for (const [i, figure] of task.figures.entries()) {
    const values = runs.flatMap((figures) => figures[i] ?? []);
    if (values.length === 0) continue;
    const summary = summarise(values);
    const measurement: Measurement = {
      workload: task.workload, measure: figure.name, unit: figure.unit, isShown: figure.isShown,
      engine: { name: engine.name, version: facts.version, device: facts.device }, flags: facts.flags, runs: values, ...summary,
      limit: figure.work === undefined ? null : limitShare(summary.median, figure.work(work), rates),
    };
    for (const reporter of request.reporters) reporter.onMeasurement(measurement, circumstances);
  }
}
