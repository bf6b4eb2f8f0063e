/**
 * Samples of a WAV file as f32 and back. Integers of n bits are multiples of 2^(1 - n), so that reading what was written gives the same
 * bits.
 */
import type { WavFormat } from './wav-format.ts';

type ReadSample = (view: DataView, at: number) => number;

/** @param bytes whole samples; @returns [samples], interleaved as they are */
export function decodeSamples(bytes: Uint8Array, { coding, sampleBytes }: Pick<WavFormat, 'coding' | 'sampleBytes'>): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.length / sampleBytes);
  const read = readerOf(coding, sampleBytes);
  for (let i = 0, at = 0; i < samples.length; i++, at += sampleBytes) samples[i] = read(view, at);
  return samples;
}

function readerOf(coding: WavFormat['coding'], sampleBytes: number): ReadSample {
  if (coding === 'a-law') return (view, at) => aLaw(view.getUint8(at));
  if (coding === 'mu-law') return (view, at) => muLaw(view.getUint8(at));
  if (coding === 'float') return sampleBytes === 4 ? (view, at) => view.getFloat32(at, true) : (view, at) => view.getFloat64(at, true);
  switch (sampleBytes) {
    case 1: return (view, at) => (view.getUint8(at) - 128) / 128;
    case 2: return (view, at) => view.getInt16(at, true) / 32768;
    case 3: return (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8_388_608;
    default: return (view, at) => view.getInt32(at, true) / 2_147_483_648;
  }
}

/** ITU-T G.711, A-law: sign, exponent and mantissa of a 13-bit value; even bits are inverted. */
function aLaw(code: number): number {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = bits & 15;
  const magnitude = exponent === 0 ? mantissa * 2 + 1 : (mantissa * 2 + 33) << (exponent - 1);
  return ((bits & 0x80) === 0 ? -magnitude : magnitude) / 4096;
}

/** ITU-T G.711, mu-law: as A-law over a 14-bit value with a bias of 33; all bits are inverted. */
function muLaw(code: number): number {
  const bits = ~code & 0xff;
  const magnitude = (((bits & 15) * 2 + 33) << ((bits >> 4) & 7)) - 33;
  return ((bits & 0x80) === 0 ? magnitude : -magnitude) / 8192;
}

/** How {@link encodeSamples} stores a sample. */
export type WavEncoding = 'uint8' | 'int16' | 'int24' | 'int32' | 'float32' | 'float64';

export const WAV_ENCODINGS: Readonly<Record<WavEncoding, Pick<WavFormat, 'coding' | 'sampleBytes'>>> = {
  uint8: { coding: 'integer', sampleBytes: 1 },
  int16: { coding: 'integer', sampleBytes: 2 },
  int24: { coding: 'integer', sampleBytes: 3 },
  int32: { coding: 'integer', sampleBytes: 4 },
  float32: { coding: 'float', sampleBytes: 4 },
  float64: { coding: 'float', sampleBytes: 8 },
};

/** Integers are rounded to the nearest, and clipped at full scale. */
export function encodeSamples(samples: Float32Array, encoding: WavEncoding): Uint8Array<ArrayBuffer> {
  const { coding, sampleBytes } = WAV_ENCODINGS[encoding];
  const bytes = new Uint8Array(samples.length * sampleBytes);
  const view = new DataView(bytes.buffer);
  const scale = 2 ** (8 * sampleBytes - 1);
  for (let i = 0, at = 0; i < samples.length; i++, at += sampleBytes) {
    const sample = samples[i]!;
    if (coding === 'float') {
      if (sampleBytes === 4) view.setFloat32(at, sample, true);
      else view.setFloat64(at, sample, true);
      continue;
    }
    const value = Math.max(-scale, Math.min(scale - 1, Math.round(sample * scale)));
    if (sampleBytes === 1) view.setUint8(at, value + 128);
    else if (sampleBytes === 2) view.setInt16(at, value, true);
    else if (sampleBytes === 4) view.setInt32(at, value, true);
    else {
      view.setUint16(at, value & 0xffff, true);
      view.setInt8(at + 2, value >> 16);
    }
  }
  return bytes;
}
