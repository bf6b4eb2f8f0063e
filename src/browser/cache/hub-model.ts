/** A model of the hub in a browser: from the cache where it is there whole, which asks nobody; else it is downloaded. */
import { missingBytes } from '../../files/hub/blob-place.ts';
import { chooseFiles, filesOf } from '../../files/hub/choose-files.ts';
import { downloadHubFile } from '../../files/hub/download-blob.ts';
import type { HubAccess, HubEndpoint, HubFetch } from '../../files/hub/hub-access.ts';
import { printModelId } from '../../files/hub/model-id.ts';
import type { ModelId } from '../../files/hub/model-id.ts';
import { fileUrl, readRepository } from '../../files/hub/repository.ts';
import type { HubFile, Repository } from '../../files/hub/repository.ts';
import type { HttpOptions } from '../../files/http-options.ts';
import { httpSource } from '../../files/http-source.ts';
import type { CheckpointLocation } from '../../files/open-checkpoint.ts';
import type { SourceFolder } from '../../tensor/byte-source.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { namesBelow } from '../blob-source.ts';
import type { CacheFolder } from './cache-folder.ts';
import { cachedFolder } from './cached-folder.ts';
import { makeRoom } from './make-room.ts';
import { changeRecord, isWhole, readRecord, whereFull } from './model-records.ts';
import type { ModelRecord } from './model-records.ts';
import { opfsBlobPlace } from './opfs-blob-place.ts';

export interface HubModelOptions extends HttpOptions {
  readonly hub: HubEndpoint;
  /** Undefined: nothing is kept, and files are read by ranges. */
  readonly folder: CacheFolder | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Weights that a browser may take where nobody names a file: WebAssembly addresses 4 GiB, conversations and work memory in it. */
const ROOM_BYTES = 3.2e9;

const ADVICE: HubAccess['advice'] = {
  token: 'pass it as hub.token',
  network: 'Check the network and hub.endpoint. What is in the cache works without.',
  endpoint: 'hub.endpoint',
};

/** A token goes to the hub's own host: browsers take it off where that redirects to another. What is downloaded is not kept twice. */
export function hubFetch({ endpoint, token }: HubEndpoint): HubFetch {
  const { origin } = new URL(endpoint);
  const ask: (...args: Parameters<HubFetch>) => Promise<Response> = (url, { headers, signal, method }) =>
    fetch(url, {
      method: method ?? 'GET',
      cache: 'no-store',
      signal: signal ?? null,
      headers: { ...headers, ...(token !== undefined && url.origin === origin ? { authorization: `Bearer ${token}` } : {}) },
    });
  return Object.assign(ask, { close: async () => {} });
}

/** @throws as `readRepository` and `chooseFiles`; CapacityError where there is no room for it */
export async function locateHubModel(id: ModelId, options: HubModelOptions): Promise<CheckpointLocation> {
  const { folder, hub, signal, onRetry } = options;
  const name = printModelId(id);
  const known = folder && (await readRecord(folder, name));
  if (folder !== undefined && known !== undefined && (await isWhole(folder, known))) return locationOf(folder, await used(folder, known));
  const access: HubAccess = { settings: hub, fetch: hubFetch(hub), advice: ADVICE, onRetry };
  const repository = await readRepository(id, access, signal as AbortSignal | undefined);
  const choice = chooseFiles(repository.files, {
    quantization: id.quantization,
    roomBytes: ROOM_BYTES,
    repository: id.repository,
  });
  const files = filesOf(choice);
  const meant = { fileName: choice.kind === 'folder' ? undefined : choice.files[0]!.name, projector: choice.projector?.name };
  if (folder === undefined) return locationIn(remoteFolder({ name, repository, access, files }, options), meant);
  const record = await changeRecord(folder, name, () => ({
    id: name,
    ...meant,
    lastUsedMs: Date.now(),
    files: files.map(({ name: file, blob, sizeBytes }) => ({ name: file, blob, sizeBytes })),
  }));
  await download({ folder, name, repository, access, files }, options);
  return locationOf(folder, record);
}

function used(folder: CacheFolder, record: ModelRecord): Promise<ModelRecord> {
  return changeRecord(folder, record.id, (now) => ({ ...(now ?? record), lastUsedMs: Date.now() })).catch(whereFull(record));
}

function locationOf(folder: CacheFolder, record: ModelRecord): CheckpointLocation {
  return locationIn(cachedFolder(folder, record), record);
}

function locationIn(folder: SourceFolder, { fileName, projector }: Pick<ModelRecord, 'fileName' | 'projector'>): CheckpointLocation {
  return { folder, fileName, projector: projector === undefined ? undefined : { folder, fileName: projector, isNamed: false } };
}

interface Chosen {
  readonly name: string;
  readonly repository: Repository;
  readonly access: HubAccess;
  readonly files: readonly HubFile[];
}

/** Files of the hub by ranges. */
function remoteFolder({ name, repository, access, files }: Chosen, options: HubModelOptions): SourceFolder {
  const http: HttpOptions = { ...options, fetch: (url, init) => access.fetch(url as URL, init) };
  return {
    name,
    open: async (fileName, open) =>
      files.some((file) => file.name === fileName)
        ? httpSource(fileUrl(repository, fileName, access.settings), { ...http, signal: open?.signal ?? options.signal })
        : undefined,
    list: async (below) =>
      namesBelow(
        files.map((file) => file.name),
        below,
      ),
  };
}

async function download(
  { folder, name, repository, access, files }: Chosen & { readonly folder: CacheFolder },
  options: HubModelOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let loaded = 0;
  const report = (note?: string) => onProgress?.({ phase: 'download', loaded, total, note });
  const missing = await Promise.all(files.map(({ blob, sizeBytes }) => missingBytes(opfsBlobPlace(folder.blobs, blob), sizeBytes)));
  await makeRoom(folder, { name, id: name, missingBytes: missing.reduce((sum, bytes) => sum + bytes, 0), onNote: report });
  report();
  const onBytes = (bytes: number) => {
    loaded += bytes;
    report();
  };
  const rest = { repository, access, signal: signal as AbortSignal | undefined, onBytes, onNote: report };
  for (const file of files) await downloadHubFile({ ...rest, file, place: opfsBlobPlace(folder.blobs, file.blob) });
}
