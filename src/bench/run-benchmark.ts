/** Measures models: every task with every engine, in turn, and hands each figure to the reporters. */
import { parseDevice } from '../node/device-choice.ts';
import type { DeviceChoice } from '../node/device-choice.ts';
import type { BenchmarkRequest } from './benchmark-request.ts';
import { startLimits } from './engine-client.ts';
import type { DeviceLimits } from './device-limits.ts';
import { createEnginePool } from './engine-pool.ts';
import { measureModel } from './measure-model.ts';
import { openModelRun, plannedRuns } from './model-run.ts';
import { readModelWork } from './model-work.ts';
import type { ModelWork } from './model-work.ts';
import { checkModels } from './plan/absent-models.ts';
import { planFor } from './plan/plan.ts';
import type { PlannedModel } from './plan/plan.ts';
import { createRunProgress } from './run-progress.ts';
import { needsTokens } from './workloads.ts';

/** A model on a device. */
interface Place {
  readonly model: PlannedModel;
  /** Undefined of a model that is none of text. */
  readonly work: ModelWork | undefined;
  readonly limits: DeviceLimits;
  /** Which GPU, where it was said. */
  readonly gpu: number | undefined;
}

/**
 * Resolves when all models were measured. A rival that fails is left out, with a note; where ingot fails, its model is left and this
 * rejects when the others are done. No process is left behind, not when the signal aborts either.
 */
export async function runBenchmark(request: BenchmarkRequest): Promise<void> {
  const { plan, signal, onProgress } = request;
  const endMs = performance.now() + 60_000 * (plan.maxMinutes ?? Infinity);
  const isOver = () => performance.now() >= endMs;
  const session = new Date().toISOString();
  checkModels(plan.models);
  const places = await placesOf(request);
  const runs = places.flatMap((place) => plannedRuns(planFor(plan, place.model), place));
  const progress = createRunProgress(runs);
  const failures: unknown[] = [];
  for (const place of places) {
    if (isOver()) {
      onProgress(`${place.model.path} is left for another run: the plan's ${plan.maxMinutes} minutes are over`);
      continue;
    }
    const pool = createEnginePool(signal);
    try {
      onProgress(`reading ${place.model.path}`);
      await measureModel(await openModelRun({ ...request, ...place, plan: planFor(plan, place.model), pool, progress, session, isOver }));
    } catch (error) {
      signal.throwIfAborted();
      if (places.length === 1) throw error;
      failures.push(error);
      onProgress(`${place.model.path} is left: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await pool.closeAll();
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** A model that cannot be read is told of before an hour of measuring others. */
async function placesOf({ plan, signal, onProgress }: BenchmarkRequest): Promise<Place[]> {
  const works = new Map<PlannedModel, ModelWork | undefined>();
  for (const model of plan.models) {
    const isOfText = needsTokens(planFor(plan, model).workloads);
    works.set(model, isOfText ? await readModelWork(model.path, { signal, kvType: plan.kvType }) : undefined);
  }
  const places: Place[] = [];
  for (const device of plan.devices) {
    onProgress(`measuring the device "${device}"`);
    const limits = await startLimits({ device, threads: threadsOn(device, plan.threads) }, signal);
    for (const model of plan.models) places.push({ model, work: works.get(model), limits, gpu: parseDevice(device).index });
  }
  return places;
}

const threadsOn = (device: DeviceChoice, threads: number | undefined) => (device === 'auto' || device === 'cpu' ? threads : undefined);
