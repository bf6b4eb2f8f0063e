/** Models that hear in a worker. */
import type { NamesOf } from '../tensor/option-names.ts';
import type { SpeechLoadOptions } from './engine-shape.ts';
import { checkLoadOptions, loadInWorker, PAGE_LOAD_NAMES } from './load-in-worker.ts';
import type { PageLoadOptions } from './load-in-worker.ts';
import type { ModelSource } from './open-source.ts';
import type { BrowserSpeechModel } from './speech-shape.ts';

export interface BrowserSpeechLoadOptions extends PageLoadOptions, Omit<SpeechLoadOptions, keyof PageLoadOptions | 'baseUrl'> {}

const LOAD_NAMES: NamesOf<BrowserSpeechLoadOptions> = { ...PAGE_LOAD_NAMES, quantize: true, tokenizer: true, detector: true };

/**
 * Loads a model that hears (Moonshine, Parakeet or Whisper), as `loadSpeechModel` of Node does, in a worker of its own. Call its
 * `dispose()` when done.
 * @throws as `loadModel`; InputError also for a model that does not hear, FormatError for one without a tokenizer where none is named
 */
export async function loadSpeechModel(source: ModelSource, options: BrowserSpeechLoadOptions = {}): Promise<BrowserSpeechModel> {
  checkLoadOptions(options, LOAD_NAMES, 'loadSpeechModel');
  return loadInWorker({ source, options }, (engine, from, sent) => engine.loadSpeechModel(from, sent));
}
