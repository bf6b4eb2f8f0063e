/** The GPU part of `doctor`: the adapter, what it measures, and what the profile makes of it. */
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { openGpuDevice } from '../gpu/device/gpu-device.ts';
import { measureCopyBandwidth, measureDispatch } from '../gpu/device/measure-device.ts';
import { profileFor } from '../gpu/profile/profile-for.ts';
import { profileTable } from '../gpu/profile/profile-table.ts';
import type { ProfileRow } from '../gpu/profile/profile-table.ts';
import type { DeviceProfile } from '../gpu/profile/device-profile.ts';
import type { TuningRecord } from '../gpu/tuning/tuning-record.ts';
import { findAdapter } from '../node/gpu-adapter.ts';
import type { AdapterKind } from '../node/gpu-adapter.ts';
import { tuningStore } from '../node/tuning-store.ts';
import { messageOf } from './exit-codes.ts';

export interface GpuPart {
  /** For people. */
  readonly name: string | null;
  readonly adapter: AdapterFacts | null;
  /** Read plus written by a kernel that copies. */
  readonly copyBytesPerSecond: number | null;
  readonly dispatchMicroseconds: number | null;
  /** Of a dispatch, what JavaScript takes to encode it. */
  readonly encodeMicroseconds: number | null;
  readonly profile: string | null;
  readonly choices: readonly ProfileRow[];
  /** What tuning found, where; null: nothing yet. `problem`: why what is there is not obeyed. */
  readonly tuning: FoundTuning | null;
  /** Why it cannot be used. */
  readonly problem: string | undefined;
}

const NOTHING = {
  name: null,
  adapter: null,
  copyBytesPerSecond: null,
  dispatchMicroseconds: null,
  encodeMicroseconds: null,
  profile: null,
  choices: [],
  tuning: null,
};

export interface FoundTuning {
  readonly path: string;
  readonly classes: TuningRecord['classes'];
  readonly problem?: string | undefined;
}

function foundTuning(facts: AdapterFacts, profile: DeviceProfile): FoundTuning | null {
  const store = tuningStore(facts, profile);
  try {
    const record = store.read();
    return record === undefined ? null : { path: store.path, classes: record.classes };
  } catch (error) {
    return { path: store.path, classes: {}, problem: messageOf(error) };
  }
}

/** @param index which adapter of its kind; default: the first */
export async function gpuPart(kind: AdapterKind, signal: AbortSignal, index?: number): Promise<GpuPart> {
  const found = await findAdapter(kind, { index });
  if (found.adapter === undefined) return { ...NOTHING, problem: found.problem };
  const { adapter, facts, description } = found;
  const profile = profileFor(facts);
  const known = { ...NOTHING, name: description, adapter: facts, profile: profile.name, choices: profileTable(profile) };
  const tuning = foundTuning(facts, profile);
  try {
    const gpu = await openGpuDevice(adapter);
    try {
      const copyBytesPerSecond = Math.round(await measureCopyBandwidth(gpu, { signal }));
      const { microseconds, encodeMicroseconds } = await measureDispatch(gpu, { signal });
      return { ...known, tuning, copyBytesPerSecond, dispatchMicroseconds: microseconds, encodeMicroseconds, problem: undefined };
    } finally {
      gpu.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    return { ...known, tuning, problem: messageOf(error) };
  }
}
