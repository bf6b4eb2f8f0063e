import { mkdir, statfs } from 'node:fs/promises';
import { CapacityError, InputError } from '../../tensor/errors.ts';

/** Left free behind a download where nobody says more. */
const SPARE_DISK_BYTES = 64e6;

export interface ToCome {
  readonly name: string;
  readonly missingBytes: number;
  /** To be left free behind it. */
  readonly spareBytes?: number | undefined;
}

/** @throws CapacityError where the cache's disk is too small for what is to come; InputError where nothing can be written there */
export async function checkDisk(cacheFolder: string, { name, missingBytes, spareBytes = SPARE_DISK_BYTES }: ToCome): Promise<void> {
  if (missingBytes === 0) return;
  await mkdir(cacheFolder, { recursive: true }).catch((error: Error) => {
    throw new InputError(`Cannot write to the cache ${cacheFolder}: ${error.message}. HF_HOME or HF_HUB_CACHE names another.`);
  });
  const disk = await statfs(cacheFolder).catch(() => undefined);
  if (disk === undefined || disk.blocks === 0) return;
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes >= missingBytes + spareBytes) return;
  throw new CapacityError(
    `${name} still takes ${(missingBytes / 1e9).toFixed(2)} GB, ` +
      `and the disk of ${cacheFolder} has ${(freeBytes / 1e9).toFixed(2)} GB free, of which ${(spareBytes / 1e9).toFixed(2)} GB stay so. ` +
      'Free some space ("ingot list" shows models, "ingot rm" removes them), take a smaller quantisation, or set HF_HOME to another disk.',
  );
}
