/** How fast a model should decode on a device of which three figures are measured: an estimate, said to be one. */

export interface DeviceFigures {
  readonly kind: 'gpu' | 'cpu';
  /** Read plus written by copying. */
  readonly copyBytesPerSecond: number;
  /** From one dispatch to the next that needs it. GPU only. */
  readonly dispatchMicroseconds?: number | undefined;
}

export interface DecodeWork {
  /** Weight bytes read for one token. */
  readonly weightBytes: number;
  /** Bytes of keys and values of one position. */
  readonly kvBytes: number;
  /** Of a token, on this device's profile. GPU only. */
  readonly dispatches?: number | undefined;
}

/** Kernels read weights at about so much of what copying reaches: LFM2.5-1.2B in four types on two cores (cpu-vs-llama.jsonl). */
const CPU_SHARE = 0.75;
/**
 * Tokens a second of one conversation with `positions` behind it. A token reads all its weights and its keys and values; on a GPU its
 * dispatches follow one another, each after the one that it needs. By measured rows of an H200 (copies 3.94 TB/s, 4.8 us a dispatch):
 * Qwen3-4B 682 for 705 to 740, Llama-3.2-3B 861 for 829, Qwen3-0.6B 1,293 for 1,195 to 1,490, Qwen3-30B-A3B 397 for 387.
 */
export function decodeTokensPerSecond(
  device: DeviceFigures,
  { weightBytes, kvBytes, dispatches = 0 }: DecodeWork,
  positions: number,
): number {
  const readSeconds = (weightBytes + positions * kvBytes) / device.copyBytesPerSecond;
  if (device.kind === 'cpu') return CPU_SHARE / readSeconds;
  return 1 / (readSeconds + 1e-6 * dispatches * (device.dispatchMicroseconds ?? 0));
}
