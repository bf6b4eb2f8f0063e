/** One memory budget for all models: which of them go for one that is to come. */
import type { MemoryNeeds } from '../../engine/memory-needs.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { Failure } from '../failure.ts';
import type { Changes } from './changes.ts';
import { grantWaiters, isIdle, memoryOf } from './model-entry.ts';
import type { ModelEntry } from './model-entry.ts';

export interface MemoryRoomOptions {
  readonly entries: readonly ModelEntry[];
  /** Bytes of weights and states of all models together. */
  readonly budget: number;
  readonly changes: Changes;
  /** Frees a model that nobody uses. */
  readonly free: (entry: ModelEntry) => Promise<void>;
}

export interface MemoryRoom {
  /** Whether a model would have room once all that may go have gone. */
  hasRoom(entry: ModelEntry, needs: MemoryNeeds): boolean;
  /** Bytes that a model may take beyond what it has. */
  spareFor(entry: ModelEntry): number;
  /**
   * Reserves what a model needs, after others went for it: those that nobody uses, the longest unused first; then those that are in use,
   * when their requests are over, which take no others meanwhile. One call at a time.
   * @throws Failure (503) where it cannot fit, whatever went
   */
  make(entry: ModelEntry, needs: MemoryNeeds | undefined, signal: CancelSignal): Promise<void>;
  /** Frees the model that nobody has used for longest; false where there is none. */
  freeOldest(): Promise<boolean>;
}

/** To three digits, rounded up, so that as many are enough: `1.51 GB`. */
function inGigabytes(bytes: number): string {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1))) - 2);
  return `${(Math.ceil(bytes / step) * step) / 1e9} GB`;
}

function misfit({ name }: ModelEntry, { bytes, contextLength, contextIn }: MemoryNeeds, { budget, fixed }: {
  readonly budget: number;
  readonly fixed: number;
}): Failure {
  const others = fixed === 0 ? '' : `, of which models that stay have ${inGigabytes(fixed)}`;
  const shorter = contextIn(budget - fixed);
  const advice = shorter > 0 ? `It would fit with a context of ${shorter} tokens, or with ` : 'It would fit with ';
  return new Failure(
    `The model ${name} does not fit: it needs ${inGigabytes(bytes)} with the state of one answer of ${contextLength} tokens, and all ` +
      `models together may take ${inGigabytes(budget)}${others}. ${advice}${inGigabytes(bytes + fixed)} of memory.`,
    { status: 503, code: 'model_does_not_fit', param: 'model', headers: { 'x-should-retry': 'false' } },
  );
}

function oldest(entries: readonly ModelEntry[]): ModelEntry | undefined {
  return entries.reduce<ModelEntry | undefined>((a, b) => (a === undefined || b.lastUse < a.lastUse ? b : a), undefined);
}

export function createMemoryRoom({ entries, budget, changes, free }: MemoryRoomOptions): MemoryRoom {
  const held = (of: (entry: ModelEntry) => boolean) => entries.reduce((sum, entry) => sum + (of(entry) ? memoryOf(entry) : 0), 0);
  const freeOldest = async () => {
    const victim = oldest(entries.filter(isIdle));
    if (victim !== undefined) await free(victim);
    return victim !== undefined;
  };
  /** Those in use that were used longest ago take no more requests, until what they and those that go have is enough. */
  const askBusy = (wanted: number, by: object, asked: Set<ModelEntry>) => {
    const isGoing = (entry: ModelEntry) => asked.has(entry) || entry.status === 'unloading';
    while (held(isGoing) < wanted) {
      const next = oldest(entries.filter((one) => one.status === 'loaded' && !one.isPinned && !asked.has(one)));
      if (next === undefined) return;
      asked.add(next);
      next.wantedBy.add(by);
    }
  };
  /** Of models that stay. */
  const fixedBeside = (entry: ModelEntry) => held((one) => one !== entry && one.isPinned && one.status !== 'unloaded');
  return {
    freeOldest,
    hasRoom: (entry, needs) => needs.bytes + fixedBeside(entry) <= budget,
    spareFor: (entry) => {
      const { weightBytes, kvBytes } = entry.model?.info.memory ?? { weightBytes: 0, kvBytes: 0 };
      // While it loads, its own states are in what was reserved for it.
      const own = entry.model === undefined ? 0 : weightBytes + kvBytes;
      return budget - held((one) => one !== entry) - own;
    },
    async make(entry, needs, signal) {
      if (needs === undefined) return;
      const fixed = fixedBeside(entry);
      if (needs.bytes + fixed > budget) throw misfit(entry, needs, { budget, fixed });
      const by = {};
      const asked = new Set<ModelEntry>();
      try {
        for (;;) {
          signal.throwIfAborted();
          const wanted = needs.bytes + held((one) => one !== entry) - budget;
          if (wanted <= 0) return void (entry.reserved = needs.bytes);
          if (await freeOldest()) continue;
          askBusy(wanted, by, asked);
          await changes.next(signal);
        }
      } finally {
        for (const one of asked) {
          one.wantedBy.delete(by);
          grantWaiters(one);
        }
      }
    },
  };
}
