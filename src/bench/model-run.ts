/** One model on one device: which engines take part, with which settings, in which tasks. */
import type { BenchmarkRequest } from './benchmark-request.ts';
import type { DeviceLimits } from './device-limits.ts';
import type { EngineSettings, Purpose } from './engine.ts';
import type { EnginePool } from './engine-pool.ts';
import { engineNamed } from './engines/engine-named.ts';
import { describeCommit, describeMachine, describeModel } from './machine.ts';
import type { Circumstances } from './measurement.ts';
import type { ModelWork } from './model-work.ts';
import type { BenchmarkPlan, PlannedEngine, PlannedModel } from './plan/plan.ts';
import type { PlannedRuns, RunProgress } from './run-progress.ts';
import { WARMUPS } from './statistics.ts';
import type { Task } from './task.ts';
import { PROTOCOL_SIZES, QUICK_SIZES, WORKLOADS } from './workloads.ts';

export interface ModelStart extends BenchmarkRequest {
  readonly model: PlannedModel;
  readonly work: ModelWork | undefined;
  readonly limits: DeviceLimits;
  readonly gpu: number | undefined;
  readonly pool: EnginePool;
  readonly progress: RunProgress;
  /** When all this was started. */
  readonly session: string;
  /** Whether the plan's time is over: no further run begins. */
  isOver(): boolean;
}

/** Everything that one model's tasks need. */
export interface ModelRun extends ModelStart {
  readonly circumstances: Circumstances;
  readonly contestants: readonly PlannedEngine[];
  readonly notes: string[];
  /** Titles of engines that could not be opened. */
  readonly failed: Set<string>;
}

export async function openModelRun(start: ModelStart): Promise<ModelRun> {
  const { plan, model, limits, session, signal } = start;
  const notes: string[] = [];
  const contestants = plan.engines.filter((planned) => {
    const problem = problemOf(planned, model);
    const note = `${planned.title} is left out: ${problem}`;
    if (problem !== undefined && !notes.includes(note)) notes.push(note);
    return problem === undefined;
  });
  if (limits.kind === 'software' && contestants.some(({ engine }) => engine !== 'ingot'))
    notes.push('ingot runs on a software GPU; the others compute on the CPU');
  const circumstances = {
    session, commit: await describeCommit(), machine: describeMachine(), device: limits, model: await describeModel(model.path, signal),
    warmups: WARMUPS, pauseSeconds: plan.pauseMs / 1000, isQuick: plan.isQuick,
  };
  return { ...start, circumstances, contestants, notes, failed: new Set() };
}

function problemOf({ engine, title, program, url, packages }: PlannedEngine, { path, as }: PlannedModel): string | undefined {
  return engineNamed(engine).problem({ modelPath: path, modelName: as[title], program, url, packages });
}

/** Tasks of a model, those that it has no room for among them. */
function allTasks(plan: BenchmarkPlan, { model, limits, gpu }: Pick<ModelStart, 'model' | 'limits' | 'gpu'>): Task[] {
  const sizes = { ...(plan.isQuick ? QUICK_SIZES : PROTOCOL_SIZES), ...plan.sizes };
  const files = { ...plan.files, reference: model.reference };
  const isGpu = limits.kind === 'gpu';
  return plan.workloads.flatMap((name) => WORKLOADS[name]({ sizes, isGpu, threads: plan.threads, gpu, files }));
}

/** Why a task cannot be; undefined where it can. */
function obstacleOf({ contextTokens, lacks, picture }: Task, work: ModelWork | undefined): string | undefined {
  if (lacks !== undefined) return `it needs ${lacks}`;
  if (picture !== undefined && work?.sees === false) return 'the model does not see: it has no tower, and none lies beside it';
  const room = work?.contextLength ?? Infinity;
  return contextTokens > room ? `it takes ${contextTokens} positions, and the model has ${room}` : undefined;
}

/** Tasks that the model has room for, files and, for pictures, a tower. */
export function tasksOf({ plan, work, notes, ...place }: ModelRun): Task[] {
  return allTasks(plan, place).filter((task) => {
    const obstacle = obstacleOf(task, work);
    if (obstacle !== undefined) notes.push(`${task.name} is left out: ${obstacle}`);
    return obstacle === undefined;
  });
}

/** For the time that is left, before anything is opened. */
export function plannedRuns(plan: BenchmarkPlan, place: Pick<ModelStart, 'model' | 'limits' | 'gpu' | 'work'>): PlannedRuns[] {
  const contestants = plan.engines.filter((planned) => problemOf(planned, place.model) === undefined);
  return allTasks(plan, place).filter((task) => obstacleOf(task, place.work) === undefined).map((task) => {
    const entrants = contestants.filter(({ engine }) => engineNamed(engine).workloads.includes(task.workload))
      .reduce((count, planned) => count + choicesOf(planned, task).length, 0);
    return { runs: entrants * runsOf(task, plan), seconds: task.seconds };
  });
}

/** Runs of one engine, warm-ups included. */
export const runsOf = (task: Task, plan: BenchmarkPlan) => (task.runs === 1 ? 1 : plan.runs + WARMUPS);

/** An engine with one choice of its settings. */
export interface Entrant {
  readonly planned: PlannedEngine;
  readonly settings: EngineSettings;
}

/** Batch sizes that are tried: the plan's, where it names some, of an engine that has such a setting. */
function choicesOf(planned: PlannedEngine, { usesBatches }: Task): readonly (number | undefined)[] {
  const own = engineNamed(planned.engine).batchSizes;
  const tried = own.length === 0 ? own : (planned.batchSizes ?? own);
  return usesBatches && tried.length > 0 ? tried : [tried[0]];
}

/** Settings that hold for all tasks of a purpose, so that one process serves them. */
type Room = Pick<EngineSettings, 'contextLength' | 'streams' | 'pictures'>;

export function roomFor(tasks: readonly Task[], purpose: Purpose, work: ModelWork | undefined): Room {
  const own = tasks.filter((task) => task.purpose === purpose);
  const streams = Math.max(0, ...own.map((task) => task.streams ?? 0));
  const most = work?.contextLength ?? Infinity;
  const wanted = own.map(({ contextTokens, wantedTokens = 0 }) => Math.max(contextTokens, Math.min(wantedTokens, most)));
  const pictures = own.flatMap(({ picture }) => picture ?? []);
  return {
    contextLength: Math.max(1, ...wanted), streams: streams === 0 ? undefined : streams,
    pictures: pictures.length === 0 ? undefined : pictures,
  };
}

export function entrantsOf({ contestants, plan, model, limits, gpu }: ModelRun, task: Task, room: Room): Entrant[] {
  return contestants.flatMap((planned) => {
    const engine = engineNamed(planned.engine);
    if (!engine.workloads.includes(task.workload)) return [];
    const { title, program, backend, url, keyVariable, packages, isIsolated, threads = plan.threads } = planned;
    const settings: Omit<EngineSettings, 'batchSize'> = {
      modelPath: model.path, modelName: model.as[title], device: limits.kind, gpu, threads, kvType: plan.kvType, ...room,
      backend, program, url, keyVariable, packages, isIsolated, purpose: task.purpose,
    };
    return choicesOf(planned, task).map((batchSize) => ({ planned, settings: { ...settings, batchSize } }));
  });
}
