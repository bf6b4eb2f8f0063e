/** Beside ../shared/golden/signal and logmel: numpy and transformers. */
import { describe, expect, it } from 'vitest';
import { f32Of, hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { largestDifference, testSound, throughPieces, transposed } from '../../test/sound-pieces.ts';
import { joinSamples, runStage } from './audio-stream.ts';
import { melFilters } from './mel-filters.ts';
import { createNemoMel, normalizeNemoMel } from './nemo-features.ts';
import { createResampler, resample } from './resample.ts';
import { createIstft, createStft } from './stft.ts';
import { createWhisperMel, scaleWhisperMel } from './whisper-features.ts';
import { hannWindow } from './windows.ts';

const hasGoldens = hasShared('golden/signal/golden.safetensors') && hasShared('golden/logmel/golden.safetensors');
const signal = hasGoldens ? readFixtureTensors(`${sharedPath}/golden/signal/golden.safetensors`) : new Map();
const logmel = hasGoldens ? readFixtureTensors(`${sharedPath}/golden/logmel/golden.safetensors`) : new Map();

describe.skipIf(!hasGoldens)('resample', () => {
  const rates = [[8000, 16000], [8000, 24000], [44100, 16000], [44100, 24000], [48000, 16000], [48000, 24000], [24000, 16000]];

  it.each(rates)('%i to %i Hz', (from = 0, to = 0) => {
    const input = f32Of(signal, `resample.${from}.input`);
    const { samples } = resample({ samples: input, sampleRate: from }, to);
    expect(largestDifference(samples, f32Of(signal, `resample.${from}.${to}`))).toBeLessThan(3e-7);
    for (const seed of [1, 2]) expect(largestDifference(throughPieces(createResampler({ from, to }), input, 700, seed), samples)).toBe(0);
  });
});

describe.skipIf(!hasGoldens)('short-time transforms', () => {
  const shapes = { small: [20, 5], whisper: [400, 160], vocoder: [1280, 320] } as const;

  it.each(['small', 'whisper', 'vocoder'] as const)('%s: forward and back', (name) => {
    const [size, hop] = shapes[name];
    const input = f32Of(signal, `stft.${name}.input`);
    const [real, imaginary]: [number[][], number[][]] = [[], []];
    const stft = createStft({ window: hannWindow(size), hop, padding: 'reflect' }, (re, im) => {
      real.push([...re]);
      imaginary.push([...im]);
    });
    for (const piece of [input.subarray(0, 7), input.subarray(7, 1500), input.subarray(1500)]) stft.push(piece);
    stft.end();
    const frames = real.length;
    const rows = (parts: number[][]): Float32Array => transposed(Float32Array.from(parts.flat()), frames);
    expect(largestDifference(rows(real), f32Of(signal, `stft.${name}.real`))).toBeLessThan(2e-5);
    expect(largestDifference(rows(imaginary), f32Of(signal, `stft.${name}.imag`))).toBeLessThan(2e-5);

    const istft = createIstft({ window: hannWindow(size), hop, trim: size / 2 });
    const back = joinSamples([...real.map((re, t) => istft.push(re, imaginary[t]!)), istft.end()]);
    expect(largestDifference(back, f32Of(signal, `stft.${name}.inverse`))).toBeLessThan(3e-7);
  });

  const inverses = [['vocos', 1280, 320], ['small', 64, 16], ['one_frame', 1280, 320]] as const;

  it.each(inverses)('inverse of hop samples a frame: %s', (name, size, hop) => {
    const magnitudes = f32Of(signal, `istft_same.${name}.log_magnitude`);
    const phases = f32Of(signal, `istft_same.${name}.phase`);
    const frames = magnitudes.length / (size / 2 + 1);
    const istft = createIstft({ window: hannWindow(size), hop, trim: (size - hop) / 2 });
    const parts = Array.from({ length: frames }, (_frame, t) => {
      const bins = Array.from({ length: size / 2 + 1 }, (_bin, k) => k * frames + t);
      const magnitude = (i: number): number => Math.min(100, Math.exp(magnitudes[i]!));
      return istft.push(bins.map((i) => magnitude(i) * Math.cos(phases[i]!)), bins.map((i) => magnitude(i) * Math.sin(phases[i]!)));
    });
    expect(largestDifference(joinSamples([...parts, istft.end()]), f32Of(signal, `istft_same.${name}.audio`))).toBeLessThan(1e-6);
  });

  it('say that a sound is too short to be mirrored', () => {
    const stft = createStft({ window: hannWindow(400), hop: 160, padding: 'reflect' }, () => {});
    stft.push(new Float32Array(200));
    expect(() => stft.end()).toThrow('expected more than 200, found 200');
  });
});

/** Rows of a filter bank as a matrix [bands, bins]. */
function dense(bands: number, bins: number): Float32Array {
  const matrix = new Float32Array(bands * bins);
  melFilters({ bands, bins, sampleRate: 16_000 }).forEach(({ firstBin, factors }, band) => matrix.set(factors, band * bins + firstBin));
  return matrix;
}

describe.skipIf(!hasGoldens)('log mel features', () => {
  it('filters equal those of transformers and NeMo', () => {
    for (const bands of [80, 128])
      expect(largestDifference(dense(bands, 201), f32Of(logmel, `whisper${bands}.filters`))).toBeLessThan(1e-7);
    expect(largestDifference(dense(128, 257), f32Of(signal, 'nemo.filters'))).toBeLessThan(1e-7);
  });

  it.each([80, 128])("Whisper's %i bands", (bands) => {
    const window = new Float32Array(480_000);
    window.set(f32Of(logmel, 'waveform'));
    const mel = runStage(createWhisperMel(bands), window);
    expect(mel.length).toBe(3000 * bands);
    const start = window.subarray(0, 70_000);
    expect(largestDifference(throughPieces(createWhisperMel(bands), start, 5000, 3), runStage(createWhisperMel(bands), start))).toBe(0);
    // The golden's own filters as a table, as files of whisper.cpp have it.
    const table = f32Of(logmel, `whisper${bands}.filters`);
    const tabled = runStage(createWhisperMel(bands, table), start);
    expect(largestDifference(tabled, runStage(createWhisperMel(bands), start))).toBeLessThan(1e-4);
    expect(largestDifference(runStage(createWhisperMel(bands, table.map((factor) => 2 * factor)), start), tabled)).toBeGreaterThan(0.3);
    scaleWhisperMel(mel);
    expect(largestDifference(transposed(mel.subarray(0, 400 * bands), 400), f32Of(logmel, `whisper${bands}.log_mel`))).toBeLessThan(1e-4);
    const [rest] = f32Of(logmel, `whisper${bands}.rest`);
    expect(mel.subarray(400 * bands).every((value) => Math.abs(value - rest!) < 1e-4)).toBe(true);
  });

  it.each(['a', 'b', 'short'])("NeMo's: %s", (name) => {
    const input = f32Of(signal, `nemo.${name}.input`);
    const mel = normalizeNemoMel(runStage(createNemoMel(128), input), 128);
    const frames = mel.length / 128;
    expect(largestDifference(transposed(mel, frames), f32Of(signal, `nemo.${name}.log_mel`))).toBeLessThan(1e-4);
    expect(largestDifference(normalizeNemoMel(throughPieces(createNemoMel(128), input, 900, 4), 128), mel)).toBe(0);
  });

  it("NeMo's, of 3.7 s", () => {
    const mel = normalizeNemoMel(runStage(createNemoMel(128), f32Of(logmel, 'waveform')), 128);
    expect(largestDifference(transposed(mel, mel.length / 128), f32Of(logmel, 'nemo128.log_mel'))).toBeLessThan(1e-4);
  });
});

describe('resample', () => {
  it('gives nothing of nothing, and one sample of one', () => {
    expect(resample({ samples: new Float32Array(0), sampleRate: 8000 }, 16_000).samples.length).toBe(0);
    expect(resample({ samples: new Float32Array(1), sampleRate: 48_000 }, 16_000).samples.length).toBe(1);
  });

  it('keeps a tone through rates that share no factor', () => {
    const tone = Float32Array.from({ length: 11_025 }, (_, t) => Math.sin((2 * Math.PI * 440 * t) / 11_025));
    const { samples } = resample({ samples: tone, sampleRate: 11_025 }, 16_001);
    const middle = samples.subarray(2000, 14_000);
    expect(largestDifference(middle, middle.map((_, t) => Math.sin((2 * Math.PI * 440 * (t + 2000)) / 16_001)))).toBeLessThan(2e-3);
  });

  it('refuses rates that are none', () => {
    for (const rate of [0, -1, 1.5, NaN, 1e9])
      expect(() => createResampler({ from: rate, to: 16_000 })).toThrow('must be a whole number of Hz');
  });

  it('goes on where the pieces are cut, at any length', () => {
    const sound = testSound(5000);
    const whole = runStage(createResampler({ from: 22_050, to: 16_000 }), sound);
    for (const most of [1, 3, 50, 4000])
      expect(largestDifference(throughPieces(createResampler({ from: 22_050, to: 16_000 }), sound, most, most), whole)).toBe(0);
  });
});
