/** What is to be measured: models, devices, engines and workloads, as a file says it or the command line. */
import type { KvChoice } from '../../graph/kv-types.ts';
import type { DeviceChoice } from '../../node/device-choice.ts';
import type { EngineSettings, WorkloadName } from '../engine.ts';
import type { Sizes, TaskFiles } from '../task.ts';

export interface PlannedModel {
  readonly path: string;
  /** What engines call the same weights, by the engine's title. */
  readonly as: Readonly<Record<string, string>>;
  /** The same model in a wider type, for its quality. */
  readonly reference?: string | undefined;
  /** In place of the plan's. */
  readonly workloads?: readonly WorkloadName[] | undefined;
  readonly sizes?: Partial<Sizes> | undefined;
  readonly runs?: number | undefined;
}

export interface PlannedEngine extends Pick<EngineSettings, 'program' | 'backend' | 'url' | 'keyVariable' | 'packages' | 'isIsolated'> {
  /** Of `engineNamed`. */
  readonly engine: string;
  /** What records call it. */
  readonly title: string;
  /** Tried where a prompt is read, in place of all that the engine has; the first is the one of other figures. */
  readonly batchSizes?: readonly number[] | undefined;
  /** CPU threads in place of the plan's. */
  readonly threads?: number | undefined;
}

export interface BenchmarkPlan {
  readonly models: readonly PlannedModel[];
  /** In the order of the turns. */
  readonly engines: readonly PlannedEngine[];
  readonly devices: readonly DeviceChoice[];
  readonly threads?: number | undefined;
  /** Of ingot's keys and values; rivals have f16. */
  readonly kvType?: KvChoice | undefined;
  readonly workloads: readonly WorkloadName[];
  /** Set in place of the protocol's. */
  readonly sizes: Partial<Sizes>;
  readonly files: Omit<TaskFiles, 'reference'>;
  readonly runs: number;
  readonly pauseMs: number;
  readonly isQuick: boolean;
  /** No run begins after so many; what is missing then is for another run of the same plan. */
  readonly maxMinutes?: number | undefined;
  /** What prefill is held against; stated, not measured. */
  readonly multiplyAddsPerSecond?: number | undefined;
}

/** What the plan says of one of its models. */
export function planFor(plan: BenchmarkPlan, { workloads = plan.workloads, sizes, runs = plan.runs }: PlannedModel): BenchmarkPlan {
  return { ...plan, workloads, sizes: { ...plan.sizes, ...sizes }, runs };
}
