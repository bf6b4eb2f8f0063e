import type { FinishedWork } from './finished-work.ts';
import type { Reporter } from './measurement.ts';
import type { BenchmarkPlan } from './plan/plan.ts';

export interface BenchmarkRequest {
  readonly plan: BenchmarkPlan;
  /** What need not be measured again. */
  readonly finished: FinishedWork;
  readonly reporters: readonly Reporter[];
  readonly signal: AbortSignal;
  /** What is being done now, in a few words. */
  onProgress(text: string): void;
}
