/** What Parakeet hears in parts of a sound. */
import { createNemoMel, NEMO_HOP, NEMO_RATE, normalizeNemoMel } from '../../../audio/nemo-features.ts';
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { Tokenizer } from '../../../text/tokenizer.ts';
import type { FrameDecoder } from './frame-decoder.ts';
import { timedText } from './timed-text.ts';
import type { TimedText } from './timed-text.ts';

export interface HearPartsOptions {
  readonly decoder: FrameDecoder;
  readonly tokenizer: Pick<Tokenizer, 'streamDecoder'>;
  readonly signal?: CancelSignal | undefined;
  readonly onTokens?: ((count: number) => void) | undefined;
}

/** Frames of features that a sound fills: NeMo's front end makes one more, of zeros, which its models do not look at. */
export function filledFrames(samples: number): number {
  return Math.floor(samples / NEMO_HOP);
}

/** Features [frames, bands] of the frames that samples at 16 kHz fill. */
export function featuresOf(samples: Float32Array, bands: number): Float32Array {
  const mel = createNemoMel(bands);
  const [most, last] = [mel.push(samples), mel.end()];
  const all = new Float32Array(most.length + last.length);
  all.set(most);
  all.set(last, most.length);
  return normalizeNemoMel(all, bands).subarray(0, filledFrames(samples.length) * bands);
}

/** The text of each part, with times from its beginning. @param parts samples at 16 kHz */
export async function hearParts(
  parts: readonly Float32Array[], { decoder, tokenizer, signal, onTokens }: HearPartsOptions,
): Promise<TimedText[]> {
  const { bins, halvings } = decoder.config.encoder;
  const features: Float32Array[] = [];
  for (const samples of parts) {
    signal?.throwIfAborted();
    features.push(featuresOf(samples, bins));
  }
  const heard = await decoder.hear(features, signal);
  onTokens?.(heard.reduce((sum, { length }) => sum + length, 0));
  const frameSeconds = (NEMO_HOP * 2 ** halvings) / NEMO_RATE;
  return heard.map((tokens) => timedText(tokens, tokenizer, frameSeconds));
}
