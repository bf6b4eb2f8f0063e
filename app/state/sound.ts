/** Sounds as WAV: what every model that hears takes. */

/** What models that hear were made for, in samples a second. */
const RATE = 16_000;
const HEADER_BYTES = 44;

/** One channel of 16-bit samples, low byte first, behind a header of 44 bytes. @param samples from -1 to 1 */
export function encodeWav(samples: Float32Array, rate: number): Blob {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * samples.length));
  const text = (at: number, word: string) => [...word].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, view.byteLength - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, index) => view.setInt16(HEADER_BYTES + 2 * index, Math.max(-1, Math.min(1, sample)) * 0x7fff, true));
  return new Blob([view.buffer], { type: 'audio/wav' });
}

/** Any sound that the browser can decode, at the rate of models that hear. */
export async function wavOf(sound: Blob): Promise<Blob> {
  const context = new OfflineAudioContext(1, 1, RATE);
  const decoded = await context.decodeAudioData(await sound.arrayBuffer());
  const mixed = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++)
    decoded.getChannelData(channel).forEach((sample, index) => (mixed[index]! += sample / decoded.numberOfChannels));
  return encodeWav(mixed, RATE);
}

/** A header that says "unknown size", as that of a stream does, says the size that came: players ask for it. */
export async function withSizes(sound: Blob): Promise<Blob> {
  const bytes = await sound.arrayBuffer();
  if (bytes.byteLength < HEADER_BYTES) return sound;
  const view = new DataView(bytes);
  view.setUint32(4, bytes.byteLength - 8, true);
  view.setUint32(40, bytes.byteLength - HEADER_BYTES, true);
  return new Blob([bytes], { type: 'audio/wav' });
}
