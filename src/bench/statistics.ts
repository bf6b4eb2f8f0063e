/** Repeating and summarising, by one protocol for every figure. */
import { setTimeout as wait } from 'node:timers/promises';

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @param runs at least one */
export function summarise(runs: readonly number[]): Summary {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

export interface Protocol {
  /** Counted runs. */
  readonly runs: number;
  /** Runs before them that do not count; default {@link WARMUPS}. */
  readonly warmups?: number | undefined;
  /** After every run. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

export const WARMUPS = 1;

export interface Contestant<Figures> {
  readonly name: string;
  /** @param seed another one for each round, the same for all contestants of a round */
  run(seed: number): Promise<Figures>;
}

export interface AlternateOptions<Figures> extends Protocol {
  /** Asked before each run: true ends all. */
  isOver?(): boolean;
  /** A run begins, the first that counts as 1. */
  onRun?(contestant: string, run: number): void;
  /** It is over, its pause too, or it failed. */
  onRunEnd?(): void;
  /** What a contestant threw: it takes no further part. Throw to end all. */
  onFailure(contestant: Contestant<Figures>, error: unknown): void;
  /** The whole rounds so far, where the signal or `onFailure` ends all; its rejection follows. */
  onStop?(measured: ReadonlyMap<string, Figures[]>): void;
}

/**
 * Runs every contestant without counting, then all of them in turn: A B C A B C. Resolves to the counted runs by name; a
 * contestant that failed is not there. Only whole rounds count: whatever ends it, all have as many runs.
 */
export async function alternate<Figures>(
  contestants: readonly Contestant<Figures>[],
  options: AlternateOptions<Figures>,
): Promise<Map<string, Figures[]>> {
  const measured = new Map<string, Figures[]>(contestants.map(({ name }) => [name, []]));
  try {
    await runInTurn(contestants, measured, options);
  } catch (error) {
    options.onStop?.(measured);
    throw error;
  }
  return measured;
}

async function runInTurn<Figures>(
  contestants: readonly Contestant<Figures>[],
  measured: Map<string, Figures[]>,
  options: AlternateOptions<Figures>,
): Promise<void> {
  const { runs, pauseMs, signal, warmups = WARMUPS } = options;
  for (let run = 1 - warmups; run <= runs; run++) {
    const round = new Map<string, Figures>();
    for (const [i, contestant] of contestants.entries()) {
      if (!measured.has(contestant.name)) continue;
      signal.throwIfAborted();
      if (options.isOver?.() === true) return;
      options.onRun?.(contestant.name, run);
      try {
        round.set(contestant.name, await contestant.run(run + WARMUPS + 1));
      } catch (error) {
        signal.throwIfAborted();
        measured.delete(contestant.name);
        options.onFailure(contestant, error);
      }
      const isLast = !contestants.slice(i + 1).some(({ name }) => measured.has(name));
      if (isLast && run > 0) for (const [name, figures] of round) measured.get(name)!.push(figures);
      if (pauseMs > 0) await wait(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      options.onRunEnd?.();
    }
  }
}
