/** How many bytes a model may take where the caller names none. */
import { totalmem } from 'node:os';
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';

export interface MemoryBudget {
  /** Undefined: as many as the device gives. */
  readonly bytes: number | undefined;
  /** For people. */
  readonly reason: string;
}

/** Their GPUs compute in the machine's own memory. */
const UNIFIED = /^(apple|arm|qualcomm|intel)/i;
const KEPT_BYTES = 8e9;

/**
 * min(70% of the machine's memory, all but 8 GB) where the device computes in it, and no less than half of it, which small machines need.
 * WebGPU does not say how much memory a GPU has of its own: there it grows until the device refuses.
 * @param adapter of a GPU; undefined: a CPU
 */
export function defaultMemoryBudget(adapter: AdapterFacts | undefined, machineBytes = machineMemory()): MemoryBudget {
  if (adapter !== undefined && !adapter.isSoftware && !UNIFIED.test(adapter.vendor))
    return { bytes: undefined, reason: 'grows until the device refuses: WebGPU does not say how much memory it has' };
  const wanted = Math.min(0.7 * machineBytes, machineBytes - KEPT_BYTES);
  const bytes = Math.floor(Math.max(wanted, machineBytes / 2));
  if (bytes > wanted) return { bytes, reason: "half of the machine's memory" };
  return { bytes, reason: wanted < 0.7 * machineBytes ? "the machine's memory but 8 GB" : "70% of the machine's memory" };
}

/** Bytes that this process may have at most. */
export function machineMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
