/** What `ingot serve --allow-downloads` brings for clients: models of the hub, and those that come by npm, as `ingot pull` has them. */
import { realpath } from 'node:fs/promises';
import { HubRefusal } from '../../files/hub/hub-refusal.ts';
import type { ModelId } from '../../files/hub/model-id.ts';
import { cachedModel } from '../../node/hub/cache-layout.ts';
import { hubSettings } from '../../node/hub/hub-settings.ts';
import { planPull, runPull } from '../../node/hub/pull.ts';
import { pullModel, PULLED_MODELS } from '../../node/pull/pull-model.ts';
import type { ModelDownloads, ModelLoader } from '../../server/api.ts';
import { CapacityError, FormatError, InputError } from '../../tensor/errors.ts';
import { formatBytes } from '../../tensor/format-bytes.ts';
import { messageOf } from '../exit-codes.ts';
import { pulledId } from '../pull.ts';

/** What may stand before an id. Models are called as they were asked for. */
const HUB_PREFIX = /^(hf:|https:\/\/huggingface\.co\/)/;
/** Left free for logs, stores and the system: a download that clients asked for never fills the disk. */
const SPARE_DISK_BYTES = 4e9;
/** Weights that nobody chose by name may take so much of a model's memory: conversations want the rest. */
const WEIGHT_SHARE = 0.8;

export interface DownloadSettings {
  /** Of a model that is on the disk, by the name that requests shall have for it. */
  readonly loaderOf: (name: string, path: string, signal: AbortSignal) => Promise<ModelLoader>;
  /** What weights may take; undefined: nobody knows. */
  readonly mostBytes: number | undefined;
  /** Names of models that are there, by their paths. */
  readonly known: ReadonlyMap<string, string>;
}

type DownloadOptions = Parameters<ModelDownloads['download']>[1];

export function createDownloads({ loaderOf, mostBytes, known }: DownloadSettings): ModelDownloads {
  const names = new Map<string, string>();
  for (const [path, name] of known) void realpath(path).then((real) => names.set(real, name), () => {});
  return {
    async download(id, { signal, onProgress }) {
      const isOfNpm = Object.hasOwn(PULLED_MODELS, id);
      // Never a path or a URL: a client names nothing of this machine, nor of its network.
      const hubId = isOfNpm ? undefined : pulledId(id);
      const asked = isOfNpm ? id : id.replace(HUB_PREFIX, '');
      const bring = hubId === undefined ? pullModel(id, { signal, onProgress }) : bringOfHub(hubId, mostBytes, { signal, onProgress });
      const path = await bring.catch((error: unknown) => {
        throw notBrought(error, isOfNpm);
      });
      // Many ids stand for one file: it is one model, and is read once.
      const file = await realpath(path);
      const name = names.get(file) ?? asked;
      const loader = await loaderOf(name, path, signal).catch((error: unknown) => {
        throw error instanceof FormatError || error instanceof CapacityError ? error : new Error(messageOf(error), { cause: error });
      });
      names.set(file, name);
      return { name, loader, alias: name === asked ? undefined : asked };
    },
  };
}

async function bringOfHub(id: ModelId, mostBytes: number | undefined, options: DownloadOptions): Promise<string> {
  const { cacheFolder } = await hubSettings(process.env);
  const found = await cachedModel(cacheFolder, id);
  if (found !== undefined) return found;
  const plan = await planPull(id, { ...options, roomBytes: mostBytes && WEIGHT_SHARE * mostBytes });
  try {
    if (plan.totalBytes > (mostBytes ?? Infinity))
      throw new CapacityError(
        `${id.repository} takes ${formatBytes(plan.totalBytes)}, and models may take ${formatBytes(mostBytes!)} here (--memory).`,
      );
    return await runPull(plan, { ...options, spareDiskBytes: SPARE_DISK_BYTES });
  } finally {
    await plan.close();
  }
}

/** An id, or a choice of files, in words for clients; no room; all else is for the log: it may name paths, tokens and settings. */
function notBrought(error: unknown, isOfNpm: boolean): unknown {
  if (error instanceof HubRefusal) return new InputError(error.forOthers, { cause: error });
  if (error instanceof CapacityError && !isOfNpm) return error;
  return new Error(messageOf(error), { cause: error });
}
