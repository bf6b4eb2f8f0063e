/** The models that a page may run: those that stay in the browser, those that were opened, and those that it knows of. */
import { openModelCache } from 'ingot/browser/load';
import type { BrowserModel, BrowserSpeechModel, BrowserVoiceModel, CachedModel, ModelCache } from 'ingot/browser/load';
import { espeakUrls } from './browser-speech.ts';
import { knownModels, KOKORO } from './known-models.ts';
import type { KnownModel } from './known-models.ts';
import type { Held } from './one-model.ts';
import { cacheIdOf, kindLoaded } from './remembered-models.ts';
import type { ModelEntry } from './transport.ts';

/** The part of a device's memory that a page's model may reasonably take. */
const MEMORY_SHARE = 0.5;

export type LoadedModel = Held<BrowserModel | BrowserSpeechModel | BrowserVoiceModel>;

export interface BrowserModels {
  /** Those that are loaded: one that answers, one that hears, one that speaks. */
  readonly held: readonly LoadedModel[];
  /** Files of this device that were opened. */
  readonly opened: readonly KnownModel[];
}

async function spaceLeft(): Promise<number> {
  const { quota = Infinity, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  const { deviceMemory = Infinity } = navigator as { readonly deviceMemory?: number };
  return Math.min(quota - usage, deviceMemory * 2 ** 30 * MEMORY_SHARE);
}

/** The models that stay in the browser; undefined where it keeps no files for pages. */
async function openCache(): Promise<ModelCache | undefined> {
  return openModelCache().catch(() => undefined);
}

/** Of a download that was broken off. */
function partOf(cached: CachedModel | undefined): string | undefined {
  if (cached === undefined || cached.isWhole) return undefined;
  return `${Math.round((100 * cached.presentBytes) / cached.sizeBytes)}% downloaded`;
}

/** What the cache calls the model that was loaded just now: a short name stands for a longer id. */
export async function idInCache(id: string): Promise<string> {
  const cache = await openCache();
  const ids = ((await cache?.list()) ?? []).map((one) => one.id);
  // A browser clears what pages keep when its disk is full, unless it was asked not to.
  void cache?.persist();
  return ids.includes(id) ? id : (ids.at(-1) ?? id);
}

interface Surroundings {
  readonly held: readonly LoadedModel[];
  /** Bytes that a model may take. */
  readonly space: number;
  readonly cached: CachedModel | undefined;
  readonly isOpened: boolean;
}

/** What is known of a model that answers once it is loaded. */
function answering(model: LoadedModel['model'] | undefined): Pick<ModelEntry, 'contextLength' | 'takes'> {
  if (model === undefined || !('generate' in model)) return { contextLength: undefined, takes: undefined };
  return { contextLength: model.info.contextLength, takes: model.vision === undefined ? [] : ['image'] };
}

function entryOf({ id, name, bytes, kind }: KnownModel, { held, space, cached, isOpened }: Surroundings): ModelEntry {
  const model = held.find((one) => one.id === id)?.model;
  const isHere = isOpened || cached?.isWhole === true;
  const size = cached?.sizeBytes ?? bytes;
  return {
    id,
    name,
    kind,
    bytes: size,
    status: model !== undefined ? 'loaded' : isHere ? 'unloaded' : 'absent',
    fits: model !== undefined || size === undefined ? undefined : isHere || size <= space,
    ...answering(model),
    where: model?.runsOn.description ?? partOf(cached),
  };
}

export async function listBrowserModels({ held, opened }: BrowserModels): Promise<readonly ModelEntry[]> {
  const [ofPage, space, cache] = await Promise.all([knownModels(), spaceLeft(), openCache()]);
  const cached = new Map((await cache?.list())?.map((one) => [one.id, one]));
  // What is not there whole keeps its address, whose hash says which bytes are to come.
  const idOf = (asked: string) => (cached.get(cacheIdOf(asked))?.isWhole === true ? cacheIdOf(asked) : asked);
  const known = (espeakUrls() === undefined ? ofPage : [...ofPage, KOKORO]).map((one) => ({ ...one, id: idOf(one.id) }));
  const others = [...cached.values()].filter(({ id }) => known.every((one) => one.id !== id));
  const named = [...others.map(({ id, sizeBytes }) => ({ id, name: id, bytes: sizeBytes, kind: kindLoaded(id) ?? 'text' })), ...known];
  return [
    ...opened.map((one) => entryOf(one, { held, space, cached: undefined, isOpened: true })),
    ...named.map((one) => entryOf(one, { held, space, cached: cached.get(one.id), isOpened: false })),
  ];
}
