/** Sounds that a page has, as models hear them: the browser itself decodes them, beside the page's thread. */
import { FormatError } from '../tensor/errors.ts';
import type { CancelSignal, Platform } from '../tensor/platform.ts';

/** Hz: what models that hear take. */
const RATE = 16_000;
/** A second of sound goes to the worker at a time. */
const CHUNK = RATE;

/** A stream for `transcribe`, `segments` and `listen`: one channel. */
export interface OpenedSound {
  readonly sampleRate: number;
  /** Samples of all of it. */
  readonly frames: number;
  readonly chunks: AsyncIterable<Float32Array<ArrayBuffer>>;
}

/**
 * Any sound that this browser plays: what `MediaRecorder` gives, and files of WAV, MP3, M4A, Ogg and the like. All of it is decoded at
 * once, which takes 64 kB a second for each of its channels.
 * @throws FormatError for what the browser cannot decode; the signal's reason when it aborts
 */
export async function openSound(
  blob: Platform<'Blob', { readonly size: number }>,
  { signal }: { readonly signal?: CancelSignal | undefined } = {},
): Promise<OpenedSound> {
  signal?.throwIfAborted();
  const name = (blob as { readonly name?: string }).name ?? 'the sound';
  const bytes = await (blob as Blob).arrayBuffer();
  const context = new OfflineAudioContext(1, 1, RATE);
  const decoded = await context.decodeAudioData(bytes).catch((cause: unknown) => {
    throw new FormatError(`${name} is no sound that this browser can decode. Give WAV, MP3, Ogg, or what a browser records.`, { cause });
  });
  signal?.throwIfAborted();
  const mono = decoded.numberOfChannels === 1 ? decoded : await mixed(decoded);
  signal?.throwIfAborted();
  return { sampleRate: RATE, frames: mono.length, chunks: chunksOf(mono) };
}

/** The mean of all channels, made beside the page's thread too. */
function mixed(sound: AudioBuffer): Promise<AudioBuffer> {
  const context = new OfflineAudioContext(1, sound.length, RATE);
  const split = context.createChannelSplitter(sound.numberOfChannels);
  const source = context.createBufferSource();
  source.buffer = sound;
  source.connect(split);
  const share = context.createGain();
  share.gain.value = 1 / sound.numberOfChannels;
  share.connect(context.destination);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) split.connect(share, channel);
  source.start();
  return context.startRendering();
}

async function* chunksOf(mono: AudioBuffer): AsyncGenerator<Float32Array<ArrayBuffer>> {
  for (let at = 0; at < mono.length; at += CHUNK) {
    const chunk = new Float32Array(Math.min(CHUNK, mono.length - at));
    mono.copyFromChannel(chunk, 0, at);
    yield chunk;
  }
}
