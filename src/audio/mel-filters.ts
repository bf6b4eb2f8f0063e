/**
 * Triangular filters over the bins of a transform, on Slaney's mel scale and with equal areas (Slaney, "Auditory Toolbox", 1998), as
 * librosa has them.
 */

export interface MelShape {
  readonly bands: number;
  /** Of the transform: fftSize / 2 + 1. */
  readonly bins: number;
  /** Hz; the highest band ends at half of it. */
  readonly sampleRate: number;
}

/** One band: its factors of consecutive bins. */
export interface MelFilter {
  readonly firstBin: number;
  readonly factors: Float64Array;
}

/** From here on, Hz, the scale is logarithmic. */
const LINEAR_HZ = 1000;
const HZ_PER_MEL = 200 / 3;
const LINEAR_MELS = LINEAR_HZ / HZ_PER_MEL;
const LOG_STEP = Math.log(6.4) / 27;

export function melFilters({ bands, bins, sampleRate }: MelShape): readonly MelFilter[] {
  const top = melOf(sampleRate / 2);
  const corners = Array.from({ length: bands + 2 }, (_, i) => hertzOf((top * i) / (bands + 1)));
  return Array.from({ length: bands }, (_, band) => {
    const [low, middle, high] = [corners[band]!, corners[band + 1]!, corners[band + 2]!];
    const factorAt = (bin: number): number => {
      const hertz = (bin * sampleRate) / 2 / (bins - 1);
      return (Math.max(0, Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle))) * 2) / (high - low);
    };
    const firstBin = Math.min(bins, Math.max(0, Math.ceil((low * 2 * (bins - 1)) / sampleRate)));
    const lastBin = Math.min(bins - 1, Math.floor((high * 2 * (bins - 1)) / sampleRate));
    const count = Math.max(0, lastBin - firstBin + 1);
    return { firstBin, factors: Float64Array.from({ length: count }, (_factor, i) => factorAt(firstBin + i)) };
  });
}

/** Filters of a table of factors, [bands, bins], as files of models have them. */
export function tabledFilters(table: ArrayLike<number>, bands: number): readonly MelFilter[] {
  const bins = table.length / bands;
  return Array.from({ length: bands }, (_, band) => {
    const factors = Float64Array.from({ length: bins }, (_factor, bin) => table[band * bins + bin]!);
    const firstBin = Math.max(0, factors.findIndex((factor) => factor !== 0));
    return { firstBin, factors: factors.slice(firstBin, factors.findLastIndex((factor) => factor !== 0) + 1) };
  });
}

/** [bands]: the sums of |bin|^2 times each filter's factors. @param powers room for |bin|^2: [bins] */
export function melEnergies(
  filters: readonly MelFilter[],
  { real, imaginary, powers }: { readonly real: Float64Array; readonly imaginary: Float64Array; readonly powers: Float64Array },
  into: Float64Array,
): void {
  // Each bin is in two bands.
  for (let bin = 0; bin < powers.length; bin++) powers[bin] = real[bin]! * real[bin]! + imaginary[bin]! * imaginary[bin]!;
  for (let band = 0; band < filters.length; band++) {
    const { firstBin, factors } = filters[band]!;
    let sum = 0;
    for (let i = 0; i < factors.length; i++) sum += powers[firstBin + i]! * factors[i]!;
    into[band] = sum;
  }
}

function melOf(hertz: number): number {
  return hertz < LINEAR_HZ ? hertz / HZ_PER_MEL : LINEAR_MELS + Math.log(hertz / LINEAR_HZ) / LOG_STEP;
}

function hertzOf(mel: number): number {
  return mel < LINEAR_MELS ? mel * HZ_PER_MEL : LINEAR_HZ * Math.exp((mel - LINEAR_MELS) * LOG_STEP);
}
