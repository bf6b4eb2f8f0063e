/**
 * Discrete Fourier transforms of real values, of any length: a Stockham transform of mixed radix (Stockham 1966; Van Loan, "Computational
 * Frameworks for the Fast Fourier Transform", 1.7), of half the length where that is even. All in f64.
 */

export interface Fft {
  readonly size: number;
  /** floor(size / 2) + 1: the others follow from them. */
  readonly bins: number;
  /** real, imaginary [bins] of X[k] = sum of input[t] exp(-2 pi i k t / size). */
  forward(input: ArrayLike<number>, real: Float64Array, imaginary: Float64Array): void;
  /** output [size], of which `forward` makes the bins. The imaginary parts of bins 0 and size / 2 count for nothing. */
  inverse(real: ArrayLike<number>, imaginary: ArrayLike<number>, output: Float64Array): void;
}

/** @param size at least 1 */
export function createFft(size: number): Fft {
  return size % 2 === 0 ? createEvenFft(size) : createOddFft(size);
}

/** As a complex transform of half the length: even samples are its real parts, odd ones the imaginary. */
function createEvenFft(size: number): Fft {
  const half = size / 2;
  const bins = half + 1;
  const transform = createComplexTransform(half);
  const { re, im } = transform;
  const [cosines, sines] = circle(size, bins);
  return {
    size,
    bins,
    forward(input, real, imaginary) {
      for (let t = 0; t < half; t++) {
        re[t] = input[2 * t]!;
        im[t] = input[2 * t + 1]!;
      }
      transform.run();
      // Even and odd samples are the two parts of the sums of mirrored bins.
      for (let k = 0; k <= half; k++) {
        const a = k === half ? 0 : k;
        const b = k === 0 ? 0 : half - k;
        const evenRe = (re[a]! + re[b]!) / 2;
        const evenIm = (im[a]! - im[b]!) / 2;
        const oddRe = (im[a]! + im[b]!) / 2;
        const oddIm = (re[b]! - re[a]!) / 2;
        const c = cosines[k]!;
        const s = sines[k]!;
        real[k] = evenRe + oddRe * c + oddIm * s;
        imaginary[k] = evenIm + oddIm * c - oddRe * s;
      }
    },
    // The conjugate of the transform of the conjugate, over the length.
    inverse(real, imaginary, output) {
      for (let k = 0; k < half; k++) {
        const b = half - k;
        const imA = k === 0 ? 0 : imaginary[k]!;
        const imB = k === 0 ? 0 : -imaginary[b]!;
        const evenRe = (real[k]! + real[b]!) / 2;
        const evenIm = (imA + imB) / 2;
        const diffRe = (real[k]! - real[b]!) / 2;
        const diffIm = (imA - imB) / 2;
        const c = cosines[k]!;
        const s = sines[k]!;
        const oddRe = diffRe * c - diffIm * s;
        const oddIm = diffIm * c + diffRe * s;
        re[k] = evenRe - oddIm;
        im[k] = -(evenIm + oddRe);
      }
      transform.run();
      for (let t = 0; t < half; t++) {
        output[2 * t] = re[t]! / half;
        output[2 * t + 1] = -im[t]! / half;
      }
    },
  };
}

function createOddFft(size: number): Fft {
  const bins = (size + 1) / 2;
  const transform = createComplexTransform(size);
  const { re, im } = transform;
  return {
    size,
    bins,
    forward(input, real, imaginary) {
      for (let t = 0; t < size; t++) re[t] = input[t]!;
      im.fill(0);
      transform.run();
      real.set(re.subarray(0, bins));
      imaginary.set(im.subarray(0, bins));
    },
    inverse(real, imaginary, output) {
      re[0] = real[0]!;
      im[0] = 0;
      for (let k = 1; k < bins; k++) {
        re[k] = re[size - k] = real[k]!;
        im[size - k] = imaginary[k]!;
        im[k] = -imaginary[k]!;
      }
      transform.run();
      for (let t = 0; t < size; t++) output[t] = re[t]! / size;
    },
  };
}

interface ComplexTransform {
  readonly size: number;
  /** [size]: what goes in, and after `run` what comes out. */
  readonly re: Float64Array;
  readonly im: Float64Array;
  run(): void;
}

/** One pass: `radix` parts of `step` each, `stride` transforms side by side. */
interface Pass {
  readonly radix: number;
  readonly step: number;
  readonly stride: number;
  /** Of the part p and the output j: [step, radix]. */
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
  /** Of the sum over parts: [radix]. */
  readonly rootCosines: Float64Array;
  readonly rootSines: Float64Array;
}

interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

function createComplexTransform(size: number): ComplexTransform {
  const passes = passesOf(size);
  const own: Complex = { re: new Float64Array(size), im: new Float64Array(size) };
  const other: Complex = { re: new Float64Array(size), im: new Float64Array(size) };
  return {
    size,
    ...own,
    run() {
      let [from, to] = [own, other];
      for (const pass of passes) {
        if (pass.radix === 2) runPassOf2(pass, from, to);
        else if (pass.radix === 4) runPassOf4(pass, from, to);
        else runPass(pass, from, to);
        [from, to] = [to, from];
      }
      if (from === own) return;
      own.re.set(from.re);
      own.im.set(from.im);
    },
  };
}

function passesOf(size: number): readonly Pass[] {
  const passes: Pass[] = [];
  let length = size;
  let stride = 1;
  while (length > 1) {
    const radix = radixOf(length);
    const step = length / radix;
    const cosines = new Float64Array(step * radix);
    const sines = new Float64Array(step * radix);
    for (let p = 0; p < step; p++) {
      for (let j = 0; j < radix; j++) {
        const angle = (2 * Math.PI * ((p * j) % length)) / length;
        cosines[p * radix + j] = Math.cos(angle);
        sines[p * radix + j] = Math.sin(angle);
      }
    }
    const [rootCosines, rootSines] = circle(radix, radix);
    passes.push({ radix, step, stride, cosines, sines, rootCosines, rootSines });
    length = step;
    stride *= radix;
  }
  return passes;
}

function radixOf(length: number): number {
  if (length % 4 === 0) return 4;
  for (let radix = 2; radix * radix <= length; radix++) if (length % radix === 0) return radix;
  return length;
}

function runPassOf2({ step, stride, cosines, sines }: Pass, { re, im }: Complex, to: Complex): void {
  const toRe = to.re;
  const toIm = to.im;
  const span = step * stride;
  for (let p = 0; p < step; p++) {
    const c = cosines[2 * p + 1]!;
    const s = sines[2 * p + 1]!;
    for (let a = stride * p, out = 2 * stride * p; a < stride * (p + 1); a++, out++) {
      const b = a + span;
      const dRe = re[a]! - re[b]!;
      const dIm = im[a]! - im[b]!;
      toRe[out] = re[a]! + re[b]!;
      toIm[out] = im[a]! + im[b]!;
      toRe[out + stride] = dRe * c + dIm * s;
      toIm[out + stride] = dIm * c - dRe * s;
    }
  }
}

function runPassOf4({ step, stride, cosines, sines }: Pass, { re, im }: Complex, to: Complex): void {
  const toRe = to.re;
  const toIm = to.im;
  const span = step * stride;
  for (let p = 0; p < step; p++) {
    const c1 = cosines[4 * p + 1]!;
    const s1 = sines[4 * p + 1]!;
    const c2 = cosines[4 * p + 2]!;
    const s2 = sines[4 * p + 2]!;
    const c3 = cosines[4 * p + 3]!;
    const s3 = sines[4 * p + 3]!;
    for (let a = stride * p, out = 4 * stride * p; a < stride * (p + 1); a++, out++) {
      const b = a + span;
      const c = b + span;
      const d = c + span;
      const acRe = re[a]! + re[c]!;
      const acIm = im[a]! + im[c]!;
      const bdRe = re[b]! + re[d]!;
      const bdIm = im[b]! + im[d]!;
      // Output 1 is a - c - i (b - d), output 3 its mirror.
      const xRe = re[a]! - re[c]!;
      const xIm = im[a]! - im[c]!;
      const yRe = im[b]! - im[d]!;
      const yIm = re[d]! - re[b]!;
      toRe[out] = acRe + bdRe;
      toIm[out] = acIm + bdIm;
      toRe[out + stride] = (xRe + yRe) * c1 + (xIm + yIm) * s1;
      toIm[out + stride] = (xIm + yIm) * c1 - (xRe + yRe) * s1;
      toRe[out + 2 * stride] = (acRe - bdRe) * c2 + (acIm - bdIm) * s2;
      toIm[out + 2 * stride] = (acIm - bdIm) * c2 - (acRe - bdRe) * s2;
      toRe[out + 3 * stride] = (xRe - yRe) * c3 + (xIm - yIm) * s3;
      toIm[out + 3 * stride] = (xIm - yIm) * c3 - (xRe - yRe) * s3;
    }
  }
}

/** Any radix, by the sum as it is written, mirrored outputs together: what is left of lengths after 4 and 2 is mostly 3 and 5. */
function runPass({ radix, step, stride, cosines, sines, rootCosines, rootSines }: Pass, { re, im }: Complex, to: Complex): void {
  const span = step * stride;
  for (let p = 0; p < step; p++) {
    for (let q = 0; q < stride; q++) {
      const first = q + stride * p;
      const out = q + radix * stride * p;
      for (let j = 0; 2 * j <= radix; j++) {
        // Sums of the parts' real and imaginary values times cosines and sines: output j and radix - j differ in two signs.
        let cosRe = 0;
        let sinRe = 0;
        let cosIm = 0;
        let sinIm = 0;
        for (let k = 0, root = 0, at = first; k < radix; k++, at += span) {
          cosRe += re[at]! * rootCosines[root]!;
          sinRe += re[at]! * rootSines[root]!;
          cosIm += im[at]! * rootCosines[root]!;
          sinIm += im[at]! * rootSines[root]!;
          root += j;
          if (root >= radix) root -= radix;
        }
        const c = cosines[p * radix + j]!;
        const s = sines[p * radix + j]!;
        to.re[out + stride * j] = (cosRe + sinIm) * c + (cosIm - sinRe) * s;
        to.im[out + stride * j] = (cosIm - sinRe) * c - (cosRe + sinIm) * s;
        if (j === 0 || 2 * j === radix) continue;
        const mirrored = radix - j;
        const mirroredC = cosines[p * radix + mirrored]!;
        const mirroredS = sines[p * radix + mirrored]!;
        to.re[out + stride * mirrored] = (cosRe - sinIm) * mirroredC + (cosIm + sinRe) * mirroredS;
        to.im[out + stride * mirrored] = (cosIm + sinRe) * mirroredC - (cosRe - sinIm) * mirroredS;
      }
    }
  }
}

/** Cosines and sines of the first `count` of `size` parts of a circle. */
function circle(size: number, count: number): readonly [Float64Array, Float64Array] {
  const angles = Float64Array.from({ length: count }, (_, k) => (2 * Math.PI * k) / size);
  return [angles.map((angle) => Math.cos(angle)), angles.map((angle) => Math.sin(angle))];
}
