/** Files of sound that are none, and odd ones that are. */
import { readFileSync } from 'node:fs';
import { resample } from '../../src/audio/resample.ts';
import { encodeWav } from '../../src/audio/wav-writer.ts';
import { hasShared, sharedPath } from '../fixture-tensors.ts';

const REAL = `${sharedPath}/real/moonshine`;
/** Whether the recording that most odd sounds are made of is there. */
export const hasRecording = hasShared('real/moonshine/speech-60s.wav');
const RATE = 16_000;

const wav = (samples: Float32Array, sampleRate = RATE): Uint8Array => encodeWav(samples, { sampleRate, channels: 1 });
const floatWav = (samples: Float32Array): Uint8Array => encodeWav(samples, { sampleRate: RATE, channels: 1, encoding: 'float32' });
function edited(file: Uint8Array, at: number, bytes: readonly number[]): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, at);
  return copy;
}

/** Ten seconds of the recording. */
function speech(): Float32Array {
  if (!hasRecording) return new Float32Array(0);
  const file = readFileSync(`${REAL}/speech-60s.wav`);
  const all = new Int16Array(file.buffer.slice(file.byteOffset + file.length - 2 * 960_000, file.byteOffset + file.length));
  return Float32Array.from(all.subarray(160_000, 320_000), (value) => value / 32768);
}

const tone = wav(Float32Array.from({ length: 2000 }, (_, t) => 0.3 * Math.sin(t / 9)));
const floats = floatWav(Float32Array.of(0, 0.5, 0.5, 0));
const noise = Uint8Array.from({ length: 3000 }, (_, i) => (i * i * 31 + i * 7) & 255);

/** What is wrong, the file, what is said of it. */
export const BROKEN_SOUNDS: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['an empty file', new Uint8Array(0), /found an empty file|is empty/],
  ['noise', noise, /expected WAV, FLAC, MP3 or Ogg/],
  ['a cut file', tone.subarray(0, 900), /ends early: its header says 4000 bytes of samples, the file has 856/],
  ['a header of more than there is', edited(tone, 40, [0, 0, 0, 16]), /ends early: its header says 268435456 bytes/],
  ['a header alone', tone.subarray(0, 36), /ended before its samples/],
  ['no channels', edited(tone, 22, [0, 0]), /at least one channel, found 0/],
  ['a rate of 0', edited(tone, 24, [0, 0, 0, 0]), /expected a rate from 1 to 768000 Hz, found 0/],
  ['a rate of 4 GHz', edited(tone, 24, [255, 255, 255, 255]), /found 4294967295/],
  ['channels that do not fit', edited(tone, 22, [5, 0]), /5 channels of 16 bits take 10 bytes, but the header says 2/],
  ['NaN', edited(floats, floats.length - 8, [0, 0, 0xc0, 0x7f]), /sample 2 of channel 1 .* is NaN/],
  ['infinity', edited(floats, floats.length - 12, [0, 0, 0x80, 0xff]), /sample 1 of channel 1 .* is -Infinity/],
];

/** What is odd, the file, what is heard. */
export const ODD_SOUNDS: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['nothing', wav(new Float32Array(0)), /^$/],
  ['one sample', wav(Float32Array.of(0.5)), /^$/],
  ['silence', wav(new Float32Array(3 * RATE)), /^$/],
  ['clipped', wav(speech().map((value) => Math.max(-1, Math.min(1, 40 * value)))), /political philosophy/],
  ['loud-floats', floatWav(speech().map((value) => 50 * value)), /political philosophy/],
  ['quiet', wav(speech().map((value) => 0.01 * value)), /political philosophy/],
  ['of-11025-hz', wav(resample({ samples: speech(), sampleRate: RATE }, 11_025).samples, 11_025), /political philosophy/],
];
