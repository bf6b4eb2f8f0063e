/** A model that is talked with in a worker. */
import type { NamesOf } from '../tensor/option-names.ts';
import type { TalkLoadOptions } from './engine-shape.ts';
import { checkLoadOptions, loadInWorker, PAGE_LOAD_NAMES } from './load-in-worker.ts';
import type { PageLoadOptions } from './load-in-worker.ts';
import type { ModelSource } from './open-source.ts';
import type { BrowserTalkModel } from './speech-shape.ts';

export interface BrowserTalkLoadOptions extends PageLoadOptions, Omit<TalkLoadOptions, keyof PageLoadOptions | 'baseUrl'> {}

const LOAD_NAMES: NamesOf<BrowserTalkLoadOptions> = {
  ...PAGE_LOAD_NAMES,
  quantize: true,
  contextLength: true,
  mostSeconds: true,
  tokenizer: true,
};

/**
 * Loads LFM2.5-Audio, as `loadTalkModel` of Node does, in a worker of its own. Call its `dispose()` when done.
 * @throws as `loadModel`; InputError also for a model of another kind
 */
export async function loadTalkModel(source: ModelSource, options: BrowserTalkLoadOptions = {}): Promise<BrowserTalkModel> {
  checkLoadOptions(options, LOAD_NAMES, 'loadTalkModel');
  return loadInWorker({ source, options }, (engine, from, sent) => engine.loadTalkModel(from, sent));
}
