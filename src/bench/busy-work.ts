/** Work that stands for other programs. */
import { Worker } from 'node:worker_threads';
import { openGpuDevice } from '../gpu/device/gpu-device.ts';
import { measureCopyBandwidth } from '../gpu/device/measure-device.ts';
import { findAdapter } from '../node/gpu-adapter.ts';

export interface BusyWork {
  /** Threads that compute. */
  readonly cores: number;
  /** A GPU that copies, by its number. */
  readonly gpu?: number | undefined;
}

/** Multiplies and adds in registers and in 8 MB of memory, as a compiler or a page does. */
const WORKER = `
  const { parentPort } = require('node:worker_threads');
  const values = new Float64Array(1 << 20).fill(1.0001);
  parentPort.postMessage('at work');
  for (let i = 0; ; i = (i + 4099) & (values.length - 1)) values[i] = values[i] * 1.0000001 + 1e-9;
`;

/** Resolves when all of it runs; it ends with the process. */
export async function beginBusyWork({ cores, gpu }: BusyWork): Promise<void> {
  const workers = Array.from({ length: cores }, () => new Worker(WORKER, { eval: true, execArgv: [] }));
  await Promise.all(
    workers.map((worker) => new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('error', reject);
    })),
  );
  if (gpu === undefined) return;
  const found = await findAdapter('hardware', { index: gpu });
  if (found.adapter === undefined) throw new Error(found.problem);
  const device = await openGpuDevice(found.adapter);
  const keepCopying = async (): Promise<never> => {
    for (;;) await measureCopyBandwidth(device);
  };
  await measureCopyBandwidth(device);
  void keepCopying();
}
