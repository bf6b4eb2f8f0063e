/** Models that hear and speak in the page, each in a worker of its own, beside the one that answers. */
import { loadSpeechModel, loadVoiceModel, openSound } from 'ingot/browser/load';
import type { BrowserSpeechModel, BrowserVoiceModel, ModelSource } from 'ingot/browser/load';
import { encodeWav } from '../state/sound.ts';
import { answered } from './answered.ts';
import { createOneModel } from './one-model.ts';
import type { OneModel } from './one-model.ts';
import type { LoadOptions, Transport } from './transport.ts';

export type LoaderOptions = NonNullable<Parameters<typeof loadSpeechModel>[1]>;

export interface BrowserSpeech extends Required<Pick<Transport, 'transcribe' | 'speak'>> {
  readonly ears: OneModel<BrowserSpeechModel>;
  readonly voice: OneModel<BrowserVoiceModel>;
  /** Loads a model, for `put` of its place. */
  openEars(source: ModelSource, options: LoaderOptions): Promise<BrowserSpeechModel>;
  openVoice(source: ModelSource, options: LoaderOptions): Promise<BrowserVoiceModel>;
}

/** What makes phonemes of texts; its licence (GPL 3) is not the app's, so that a host puts it beside the page. Undefined: it did not. */
export function espeakUrls(): { readonly program: string; readonly module: string } | undefined {
  const folder = document.querySelector<HTMLMetaElement>('meta[name=ingot-models]')?.dataset['espeak'];
  if (folder === undefined) return undefined;
  const base = new URL(folder.endsWith('/') ? folder : `${folder}/`, document.baseURI);
  return { program: new URL('espeak-ng.js', base).href, module: new URL('espeak-ng.wasm', base).href };
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

type Ready = (id: string, options: LoadOptions) => Promise<string>;

/** @param ready puts a model that stays in the browser in its place, where it is not there already */
export function createBrowserSpeech(ready: Ready): BrowserSpeech {
  const ears = createOneModel<BrowserSpeechModel>();
  const voice = createOneModel<BrowserVoiceModel>();
  /** A model of a place, for {@link answered}. */
  const asked = async <Model extends { dispose(): Promise<void> }>(place: OneModel<Model>, id: string, signal: AbortSignal) => {
    const again = (which: string) => ready(which, { signal, onProgress: () => {} });
    return { place, id: place.held?.id === id ? id : await again(id), again };
  };
  return {
    ears,
    voice,
    openEars: loadSpeechModel,
    openVoice: (source, options) => loadVoiceModel(source, { ...options, espeak: espeakUrls() }),
    async transcribe(id, blob, signal) {
      // A sound is read once: each model that is asked has its own.
      const hear = async function* (model: BrowserSpeechModel) {
        yield* model.segments(await openSound(blob, { signal }), { signal });
      };
      const texts: string[] = [];
      for await (const { text } of answered(await asked(ears, id, signal), hear)) texts.push(text.trim());
      return texts.join(' ').trim();
    },
    async speak(id, text, signal) {
      let sampleRate = 0;
      // The model may have been freed by the time that its sound is put together.
      const say = (model: BrowserVoiceModel) => {
        sampleRate = model.info.sampleRate;
        return model.speak(text, { signal });
      };
      const pieces: Float32Array[] = [];
      for await (const { samples } of answered(await asked(voice, id, signal), say)) pieces.push(samples);
      return encodeWav(joined(pieces), sampleRate);
    },
  };
}
