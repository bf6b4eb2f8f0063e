/** The GPU executor on Dawn: an adapter for each program, the profile that fits it. Planner and kernels are loaded where there is a GPU. */
import { openGpuDevice } from '../gpu/device/gpu-device.ts';
import { profileFor } from '../gpu/profile/profile-for.ts';
import type { DeviceProfile } from '../gpu/profile/device-profile.ts';
import type { Executor } from '../graph/executor.ts';
import { CapacityError } from '../tensor/errors.ts';
import { findAdapter } from './gpu-adapter.ts';
import type { AdapterKind } from './gpu-adapter.ts';
import { gateOf } from './gpu-gate.ts';
import { defaultMemoryBudget } from './memory-budget.ts';
import { storedTuning } from './tuning-store.ts';
import type { TuningUse } from './tuning-store.ts';

export interface GpuExecutorChoices {
  /** Which adapter of its kind. Default: the first. */
  readonly index?: number | undefined;
  /** Default: the one that fits the adapter. */
  readonly profile?: DeviceProfile | undefined;
  readonly withoutRules?: readonly string[] | undefined;
  /** Of the profile, where that is the adapter's own. Default: `off`. */
  readonly tuning?: TuningUse | undefined;
}

/** An executor, or why there can be none. Opens no device yet. */
export async function openGpuExecutor(
  adapterKind: AdapterKind,
  choices: GpuExecutorChoices = {},
): Promise<Executor | { readonly problem: string }> {
  const { index } = choices;
  const found = await findAdapter(adapterKind, { index });
  if (found.adapter === undefined) return { problem: found.problem };
  const { createGpuExecutor } = await import('../gpu/gpu-executor.ts');
  let first: GPUAdapter | undefined = found.adapter;
  const open = async () => {
    // An adapter gives one device.
    const adapter = first ?? (await findAdapter(adapterKind, { index })).adapter;
    first = undefined;
    if (adapter === undefined) throw new CapacityError('The GPU is not there any more.');
    return openGpuDevice(adapter);
  };
  const profile = choices.profile ?? profileFor(found.facts);
  const tuning = choices.profile === undefined ? storedTuning(found.facts, profile, choices.tuning ?? 'off') : undefined;
  const executor = createGpuExecutor({
    open,
    name: found.description,
    kind: adapterKind === 'hardware' ? 'gpu' : 'software',
    profile,
    withoutRules: choices.withoutRules,
    tuning,
    gate: gateOf(found.facts),
  });
  return { ...executor, memoryBytes: defaultMemoryBudget(found.facts).bytes };
}
