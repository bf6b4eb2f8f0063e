/** Windows of a Fourier transform, [length] in f64. */

/** Hann's, of which a frame shifted by its length goes on where it ends: what transforms of streams use. */
export function hannWindow(length: number): Float64Array {
  return Float64Array.from({ length }, (_, t) => 0.5 - 0.5 * Math.cos((2 * Math.PI * t) / length));
}

/** Hann's with zeros at both ends. */
export function symmetricHannWindow(length: number): Float64Array {
  return Float64Array.from({ length }, (_, t) => 0.5 - 0.5 * Math.cos((2 * Math.PI * t) / (length - 1)));
}

/** A window in the middle of `size` values, zeros around it. */
export function centred(window: Float64Array, size: number): Float64Array {
  const padded = new Float64Array(size);
  padded.set(window, Math.floor((size - window.length) / 2));
  return padded;
}
