/** A model of the hub into the cache: which files, whether they fit, and their download. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HttpRetry } from '../../files/http-retry.ts';
import { CapacityError, InputError } from '../../tensor/errors.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { defaultMemoryBudget } from '../memory-budget.ts';
import { cachedModel, linkFile, repositoryFolder, writeRef } from './cache-layout.ts';
import { checkDisk } from './check-disk.ts';
import { chooseFiles, filesOf } from '../../files/hub/choose-files.ts';
import type { Choice } from '../../files/hub/choose-files.ts';
import { downloadHubFile, partBytes } from '../../files/hub/download-blob.ts';
import type { HubAccess } from '../../files/hub/hub-access.ts';
import { fileBlobPlace } from './file-blob-place.ts';
import { createHubFetch } from './hub-fetch.ts';
import { hubSettings } from './hub-settings.ts';
import type { Environment, HubSettings } from './hub-settings.ts';
import { printModelId } from '../../files/hub/model-id.ts';
import type { ModelId } from '../../files/hub/model-id.ts';
import { readRepository } from '../../files/hub/repository.ts';
import type { HubFile, Repository } from '../../files/hub/repository.ts';

const ADVICE: HubAccess['advice'] = {
  token: 'set HF_TOKEN, or run "hf auth login"',
  network: 'Check the network, or set HF_ENDPOINT or a proxy (HTTPS_PROXY). What is in the cache works without: HF_HUB_OFFLINE=1.',
  endpoint: 'HF_ENDPOINT',
};

/** What a pull would do. */
export interface PullPlan {
  readonly id: ModelId;
  readonly repository: Repository;
  readonly choice: Choice<HubFile>;
  readonly access: HubAccess<HubSettings>;
  /** The file, or the folder, that a model is loaded from. */
  readonly path: string;
  readonly totalBytes: number;
  /** What is still to come. */
  readonly missingBytes: number;
  /** Ends what is kept open to the hub. Idempotent. */
  close(): Promise<void>;
}

export interface PullOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: ((retry: HttpRetry) => void) | undefined;
  /** Default: this process's. */
  readonly environment?: Environment | undefined;
  /** Bytes that weights may take. Default: by this machine's memory. */
  readonly roomBytes?: number | undefined;
  /** Replaces the clock between attempts, for tests. */
  readonly wait?: HubAccess['wait'];
  readonly idleTimeoutMs?: HubAccess['idleTimeoutMs'];
}

/** Weights may take so much of a model's memory: conversations want the rest. */
const WEIGHT_SHARE = 0.8;

/**
 * Asks the hub what there is, and chooses. Downloads nothing. Whoever has the plan closes it.
 * @throws as `readRepository` and `chooseFiles`
 */
export async function planPull(id: ModelId, options: PullOptions = {}): Promise<PullPlan> {
  const { onRetry, wait, idleTimeoutMs, environment = process.env } = options;
  const settings = await hubSettings(environment);
  if (settings.isOffline) throw offline(id, settings);
  const access = { settings, fetch: await createHubFetch(settings, environment), advice: ADVICE, onRetry, wait, idleTimeoutMs };
  try {
    return await planOf(id, access, options);
  } catch (error) {
    await access.fetch.close();
    throw error;
  }
}

async function planOf(id: ModelId, access: HubAccess<HubSettings>, { signal, roomBytes = weightRoom() }: PullOptions): Promise<PullPlan> {
  const { settings } = access;
  const repository = await readRepository(id, access, signal);
  const choice = chooseFiles(repository.files, { quantization: id.quantization, roomBytes, repository: id.repository });
  const folder = repositoryFolder(settings.cacheFolder, id.repository);
  const snapshot = join(folder, 'snapshots', repository.commit);
  const path = choice.kind === 'folder' ? snapshot : join(snapshot, choice.files[0]!.name);
  const files = filesOf(choice);
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let missingBytes = totalBytes;
  for (const file of files) missingBytes -= await haveBytes(file, folder, snapshot);
  return { id, repository, choice, access, path, totalBytes, missingBytes, close: () => access.fetch.close() };
}

function weightRoom(): number {
  return WEIGHT_SHARE * defaultMemoryBudget(undefined).bytes!;
}

function offline(id: ModelId, { cacheFolder }: HubSettings): InputError {
  return new InputError(
    `${printModelId(id)} is not in the cache (${cacheFolder}), and HF_HUB_OFFLINE is set. ` +
      `Unset it, or run "ingot pull ${printModelId(id)}" with a network.`,
  );
}

async function haveBytes({ name, blob, sizeBytes }: HubFile, folder: string, snapshot: string): Promise<number> {
  if (await isWhole(join(snapshot, name), sizeBytes)) return sizeBytes;
  const path = join(folder, 'blobs', blob);
  return (await isWhole(path, sizeBytes)) ? sizeBytes : partBytes(fileBlobPlace(path), sizeBytes);
}

async function isWhole(path: string, sizeBytes: number): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.size === sizeBytes;
}

export function removedMeanwhile(name: string): CapacityError {
  return new CapacityError(`${name} was removed from the cache (by "ingot rm"?) while the rest came. Pull it again.`);
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** To be left free on the cache's disk; looked at before each file, since others write there too. Default: 64 MB. */
  readonly spareDiskBytes?: number | undefined;
}

/**
 * Downloads what a plan says. Files that are there are not asked for; what an ended run brought is gone on with.
 * @returns the path to load
 * @throws CapacityError where the disk is too small, before anything comes, or a file was removed meanwhile; as `downloadBlob`. What came
 *   stays
 */
export async function runPull(
  plan: PullPlan,
  { signal, onProgress, spareDiskBytes: spareBytes }: RunOptions,
): Promise<string> {
  const { id, repository, choice, access, path, totalBytes } = plan;
  const { cacheFolder } = access.settings;
  const folder = repositoryFolder(cacheFolder, id.repository);
  const snapshot = join(folder, 'snapshots', repository.commit);
  await checkDisk(cacheFolder, { name: printModelId(id), missingBytes: plan.missingBytes, spareBytes });
  let loaded = 0;
  const report = (note?: string) => onProgress?.({ phase: 'download', loaded, total: totalBytes, note });
  report();
  for (const file of filesOf(choice)) {
    if (await isWhole(join(snapshot, file.name), file.sizeBytes)) loaded += file.sizeBytes;
    else await pullFile(file);
    report();
  }
  for (const { name, sizeBytes } of filesOf(choice))
    if (!(await isWhole(join(snapshot, name), sizeBytes))) throw removedMeanwhile(`${printModelId(id)}: ${name}`);
  await writeRef(cacheFolder, id, repository.commit);
  return path;

  async function pullFile(file: HubFile): Promise<void> {
    const blobPath = join(folder, 'blobs', file.blob);
    const missingBytes = file.sizeBytes - (await haveBytes(file, folder, snapshot));
    await checkDisk(cacheFolder, { name: file.name, missingBytes, spareBytes });
    const onBytes = (bytes: number) => {
      loaded += bytes;
      report();
    };
    const place = fileBlobPlace(blobPath);
    await downloadHubFile({ repository, file, access, place, signal, onBytes, onNote: report }, async (download) => {
      // Whoever was at work before may have fetched it, and moved it where links cannot be made.
      if (await isWhole(join(snapshot, file.name), file.sizeBytes)) return onBytes(file.sizeBytes);
      await download();
      await linkFile(join(snapshot, file.name), blobPath);
    });
  }
}

/**
 * A model by its id, as a path: from the cache where it is there whole, which asks nobody; else it is downloaded.
 * @throws as `planPull` and `runPull`
 */
export async function modelOfHub(
  id: ModelId,
  options: PullOptions & { readonly onProgress?: OnProgress | undefined } = {},
): Promise<string> {
  const { cacheFolder } = await hubSettings(options.environment ?? process.env);
  const found = await cachedModel(cacheFolder, id);
  if (found !== undefined) return found;
  const plan = await planPull(id, options);
  try {
    return await runPull(plan, options);
  } finally {
    await plan.close();
  }
}
