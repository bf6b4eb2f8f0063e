/** Models that speak in a worker. */
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import { InputError } from '../tensor/errors.ts';
import type { PlatformUrl } from '../tensor/platform.ts';
import type { VoiceLoadOptions } from './engine-shape.ts';
import { checkLoadOptions, hrefsOf, loadInWorker, PAGE_LOAD_NAMES } from './load-in-worker.ts';
import type { PageLoadOptions } from './load-in-worker.ts';
import type { ModelSource } from './open-source.ts';
import type { BrowserVoiceModel } from './speech-shape.ts';

export interface BrowserVoiceLoadOptions extends PageLoadOptions, Omit<VoiceLoadOptions, keyof PageLoadOptions | 'espeak' | 'baseUrl'> {
  /**
   * URLs of `dist/espeak-ng.js` and `dist/espeak-ng.wasm` of the npm package espeak-ng, which makes phonemes of texts. Its licence is GPL
   * 3, so that it is no part of this package.
   */
  readonly espeak?: { readonly program: string | PlatformUrl; readonly module: string | PlatformUrl } | undefined;
}

const LOAD_NAMES: NamesOf<BrowserVoiceLoadOptions> = { ...PAGE_LOAD_NAMES, mostFrames: true, phonemizer: true, espeak: true };
const ESPEAK_NAMES: NamesOf<NonNullable<BrowserVoiceLoadOptions['espeak']>> = { program: true, module: true };

/**
 * Loads Kokoro, as `loadVoiceModel` of Node does, in a worker of its own. A folder's voices are known by name where it can be listed: of
 * the hub, of files and of handles. Call its `dispose()` when done.
 * @throws as `loadModel`; `speak` throws CapacityError for a text where neither `espeak` nor `phonemizer` was given
 */
export async function loadVoiceModel(source: ModelSource, options: BrowserVoiceLoadOptions = {}): Promise<BrowserVoiceModel> {
  checkLoadOptions(options, LOAD_NAMES, 'loadVoiceModel');
  const { espeak, phonemizer } = options;
  if (espeak !== undefined) checkOptionNames(espeak, ESPEAK_NAMES, 'espeak of loadVoiceModel');
  if (espeak !== undefined && phonemizer !== undefined) throw new InputError('espeak and phonemizer both make phonemes: leave one out.');
  const urls = hrefsOf(espeak);
  return loadInWorker({ source, options }, (engine, from, sent) => engine.loadVoiceModel(from, { ...sent, espeak: urls }));
}
