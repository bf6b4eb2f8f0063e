import { mkdir, statfs } from 'node:fs/promises';
import { CapacityError, InputError } from '../../tensor/errors.ts';

const SPARE_DISK_BYTES = 64e6;

/** @throws CapacityError where the cache's disk is too small for what is to come; InputError where nothing can be written there */
export async function checkDisk(
  cacheFolder: string, { name, missingBytes }: { readonly name: string; readonly missingBytes: number },
): Promise<void> {
  if (missingBytes === 0) return;
  await mkdir(cacheFolder, { recursive: true }).catch((error: Error) => {
    throw new InputError(`Cannot write to the cache ${cacheFolder}: ${error.message}. HF_HOME or HF_HUB_CACHE names another.`);
  });
  const disk = await statfs(cacheFolder).catch(() => undefined);
  if (disk === undefined || disk.blocks === 0) return;
  const freeBytes = disk.bavail * disk.bsize;
  if (freeBytes >= missingBytes + SPARE_DISK_BYTES) return;
  throw new CapacityError(
    `${name} still takes ${(missingBytes / 1e9).toFixed(2)} GB, ` +
      `and the disk of ${cacheFolder} has ${(freeBytes / 1e9).toFixed(2)} GB free. ` +
      'Free some space ("ingot list" shows models, "ingot rm" removes them), take a smaller quantisation, or set HF_HOME to another disk.',
  );
}
