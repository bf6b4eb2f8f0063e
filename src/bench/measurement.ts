/** One figure of one engine: a line of the records, a cell of the table. */
import type { DeviceLimits } from './device-limits.ts';
import type { EngineFacts, WorkloadName } from './engine.ts';
import type { Machine, ModelFile } from './machine.ts';
import type { Summary } from './statistics.ts';
import type { Unit, Work } from './task.ts';

/** How far a figure is from what the device could do. */
export interface LimitShare {
  readonly work: Work['kind'];
  /** Bytes or multiply-adds of one token. */
  readonly perToken: number;
  /** What the figure comes to, in bytes or multiply-adds per second. */
  readonly perSecond: number;
  /** What it is held against: measured by copying, or stated. Null where nothing was stated. */
  readonly limitPerSecond: number | null;
  readonly share: number | null;
}

export interface Measurement extends Summary {
  readonly workload: WorkloadName;
  readonly measure: string;
  readonly unit: Unit;
  readonly engine: { readonly name: string } & Pick<EngineFacts, 'version' | 'device'>;
  readonly flags: EngineFacts['flags'];
  readonly runs: readonly number[];
  readonly limit: LimitShare | null;
  /** For records, not for the table. */
  readonly isShown: boolean;
  /** Of all that was asked for and may change the figure: the same in a second run of the same plan. */
  readonly asked: string;
  /** Which of the task's figures it is, of how many: `1/4`. */
  readonly part: string;
  /** No run is missing. */
  readonly isWhole: boolean;
}

/** What all measurements of one model have in common. */
export interface Circumstances {
  /** When `ingot bench` was started: engines ran in turn within one session, and figures compare within one. */
  readonly session: string;
  readonly commit: string | null;
  readonly machine: Machine;
  readonly device: DeviceLimits;
  readonly model: ModelFile;
  readonly warmups: number;
  readonly pauseSeconds: number;
  readonly isQuick: boolean;
}

/** Where results go. One more report is one more record of this form. */
export interface Reporter {
  onMeasurement(measurement: Measurement, circumstances: Circumstances): void;
  /** A figure of an earlier session of the same plan, which is not measured again. @param day on which that began */
  onKept?(measurement: Measurement, day: string): void;
  /** A model's tasks are over, or were stopped. @param notes what was left out, and why */
  onModelEnd(circumstances: Circumstances, notes: readonly string[]): void;
}

export interface LimitRates {
  readonly copyBytesPerSecond: number;
  /** Stated by the caller. */
  readonly multiplyAddsPerSecond?: number | undefined;
}

export function limitShare(tokensPerSecond: number, work: Work, rates: LimitRates): LimitShare {
  const perSecond = work.count * tokensPerSecond;
  const limitPerSecond = (work.kind === 'bytes per token' ? rates.copyBytesPerSecond : rates.multiplyAddsPerSecond) ?? null;
  return {
    work: work.kind,
    perToken: work.count,
    perSecond,
    limitPerSecond,
    share: limitPerSecond === null ? null : perSecond / limitPerSecond,
  };
}
