/** The device that the figures are held against, and what it does at best. Runs in a process of its own. */
import { availableParallelism } from 'node:os';
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { openGpuDevice } from '../gpu/device/gpu-device.ts';
import { measureCopyBandwidth as measureGpu } from '../gpu/device/measure-device.ts';
import type { DeviceKind } from '../graph/executor.ts';
import { measureCopyBandwidth as measureCpu } from './copy-bandwidth.ts';
import { findAdapter } from '../node/gpu-adapter.ts';
import { openExecutor } from '../node/load-model.ts';
import { parseDevice } from '../node/device-choice.ts';
import type { DeviceChoice } from '../node/device-choice.ts';

export interface DeviceLimits {
  /** What `auto` came to. */
  readonly kind: DeviceKind;
  readonly description: string;
  /** Of a GPU: vendor, architecture, name, and in the description the driver. */
  readonly adapter: Pick<AdapterFacts, 'vendor' | 'architecture' | 'device' | 'description'> | null;
  /** Bytes read and written in a second by copying. */
  readonly copyBytesPerSecond: number;
}

/** @throws CapacityError for a device that is not there */
export async function measureLimits({
  device,
  threads,
}: {
  readonly device: DeviceChoice;
  readonly threads?: number | undefined;
}): Promise<DeviceLimits> {
  const { kind, description } = await openExecutor({ device, threads });
  if (kind !== 'gpu' && kind !== 'software') {
    const copyBytesPerSecond = await measureCpu({ threads: threads ?? availableParallelism(), signal: new AbortController().signal });
    return { kind, description, adapter: null, copyBytesPerSecond };
  }
  const { index } = parseDevice(device);
  const found = await findAdapter(kind === 'gpu' ? 'hardware' : 'software', { index });
  if (found.adapter === undefined) throw new Error(found.problem);
  const gpu = await openGpuDevice(found.adapter);
  try {
    const { vendor, architecture, device: name, description: driver } = gpu.info;
    return {
      kind,
      description,
      adapter: { vendor, architecture, device: name, description: driver },
      copyBytesPerSecond: await measureGpu(gpu),
    };
  } finally {
    gpu.destroy();
  }
}
