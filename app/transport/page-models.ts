/** The models that a page has loaded: one that answers, one that hears and one that speaks, each put in the place of its kind. */
import { loadModel } from 'ingot/browser/load';
import type { BrowserModel, ModelSource } from 'ingot/browser/load';
import rasterDecoder from '@cf-wasm/photon/photon.wasm?url';
import webpDecoder from '@cwasm/webp/webp.wasm?url';
import { createBrowserSpeech } from './browser-speech.ts';
import type { BrowserSpeech, LoaderOptions } from './browser-speech.ts';
import { knownModels, KOKORO } from './known-models.ts';
import { idInCache } from './list-browser-models.ts';
import type { LoadedModel } from './list-browser-models.ts';
import { loadByKind } from './load-by-kind.ts';
import { createOneModel } from './one-model.ts';
import type { OneModel } from './one-model.ts';
import { cacheIdOf, forgetKind, kindLoaded, remember } from './remembered-models.ts';
import type { PageKind } from './remembered-models.ts';
import type { LoadOptions } from './transport.ts';

/** Files of this device that were opened, as long as the page is open. */
export interface OpenedFiles {
  readonly name: string;
  readonly bytes: number;
  readonly source: ModelSource;
  /** Undefined until they were loaded. */
  readonly kind?: PageKind;
}

export interface PageModels {
  readonly text: OneModel<BrowserModel>;
  readonly speech: BrowserSpeech;
  /** By name. */
  readonly opened: Map<string, OpenedFiles>;
  /** Those that are loaded. */
  readonly held: readonly LoadedModel[];
  /** As `load` of a transport. */
  load(id: string, options: LoadOptions): Promise<string>;
  free(id: string): Promise<void>;
}

const PHASES: Readonly<Record<string, string>> = {
  download: 'Downloading',
  load: 'Loading',
  compile: 'Preparing the GPU',
  warmup: 'Warming up',
};

const IMAGE_DECODERS = { raster: rasterDecoder, webp: webpDecoder };

function loaderOptions({ signal, onProgress }: LoadOptions): LoaderOptions {
  return {
    signal,
    onProgress: ({ phase, loaded, total }) =>
      onProgress({ phase: PHASES[phase] ?? 'Loading', share: total > 0 ? loaded / total : undefined }),
  };
}

/** By a list, or by what was loaded before; undefined: its files have to say. */
async function kindOf(id: string): Promise<PageKind | undefined> {
  if (id === KOKORO.id) return 'voice';
  return (await knownModels()).find((one) => one.id === id)?.kind ?? kindLoaded(cacheIdOf(id));
}

export function createPageModels(): PageModels {
  const text = createOneModel<BrowserModel>();
  const opened = new Map<string, OpenedFiles>();

  const putAs = (kind: PageKind, id: string, options: LoadOptions): Promise<string> => {
    const source = opened.get(id)?.source ?? id;
    const own = loaderOptions(options);
    const rest = {
      signal: options.signal,
      onWait: () => options.onProgress({ phase: 'Waiting for an answer to end', share: undefined }),
      idOf: async () => (opened.has(id) ? id : idInCache(id)),
    };
    if (kind === 'speech') return speech.ears.put({ ...rest, open: () => speech.openEars(source, own) });
    if (kind === 'voice') return speech.voice.put({ ...rest, open: () => speech.openVoice(source, own) });
    return text.put({ ...rest, open: () => loadModel(source, { ...own, imageDecoders: IMAGE_DECODERS }) });
  };
  const load = async (id: string, options: LoadOptions): Promise<string> => {
    const { id: loaded, kind } = await loadByKind({
      known: opened.get(id)?.kind ?? (await kindOf(id)),
      loadAs: (as) => putAs(as, id, options),
      forgetKind: () => forgetKind(cacheIdOf(id)),
    });
    const files = opened.get(id);
    if (files === undefined) remember(loaded, { kind, asked: id });
    else opened.set(id, { ...files, kind });
    return loaded;
  };
  const speech = createBrowserSpeech(load);
  const places = [text, speech.ears, speech.voice];

  return {
    text,
    speech,
    opened,
    get held() {
      return places.map((one) => one.held).filter((one) => one !== undefined);
    },
    load,
    async free(id) {
      await Promise.all(places.map((one) => (one.held?.id === id ? one.free() : undefined)));
    },
  };
}
