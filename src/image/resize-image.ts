/**
 * Resizing of 8-bit images as PIL does it (src/libImaging/Resample.c): each axis by itself, columns first, by a filter that is as wide as
 * the reduction asks for; weights are fixed-point numbers of 22 bits, and what lies between the axes is rounded to 8 bits.
 */
import { CHANNELS } from './image.ts';
import type { Image } from './image.ts';

/** [height, width, 3]: what towers see of an image. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export type ResizeFilter = 'bilinear' | 'bicubic';

const COLOURS = 3;

interface Filter {
  /** Half its width at the scale of one. */
  readonly support: number;
  weight(distance: number): number;
}

/** The steepness of PIL's cubic. */
const CUBIC = -0.5;

const FILTERS: Readonly<Record<ResizeFilter, Filter>> = {
  bilinear: { support: 1, weight: (distance) => Math.max(0, 1 - Math.abs(distance)) },
  bicubic: {
    support: 2,
    weight(distance) {
      const x = Math.abs(distance);
      if (x < 1) return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * CUBIC : 0;
    },
  },
};

/** A byte has 8 of 32 bits, and sums of weights may go over one by less than two more. */
const WEIGHT_BITS = 22;
const HALF = 1 << (WEIGHT_BITS - 1);

interface Taps {
  /** By place of the result, the first source place, and how many. */
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [places, most]. */
  readonly weights: Int32Array;
  readonly most: number;
}

/** What each place of an axis of `to` is made of, of one of `from`. */
function tapsOf(from: number, to: number, { support, weight }: Filter): Taps {
  const scale = from / to;
  // Antialiasing: where places become fewer, the filter is as much wider.
  const widening = Math.max(scale, 1);
  const reach = support * widening;
  const most = Math.ceil(reach) * 2 + 1;
  const taps: Taps = { first: new Int32Array(to), count: new Int32Array(to), weights: new Int32Array(to * most), most };
  const exact = new Float64Array(most);
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const count = Math.min(from, Math.trunc(centre + reach + 0.5)) - first;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) sum += exact[tap] = weight((tap + first - centre + 0.5) / widening);
    for (let tap = 0; tap < count; tap++) {
      const scaled = ((exact[tap] as number) / (sum || 1)) * (1 << WEIGHT_BITS);
      taps.weights[place * most + tap] = Math.trunc(scaled + (scaled < 0 ? -0.5 : 0.5));
    }
    taps.first[place] = first;
    taps.count[place] = count;
  }
  return taps;
}

function clipped(sum: number): number {
  const value = sum >> WEIGHT_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** Colours alone, as PIL's conversion to RGB leaves them. */
export function rgbOf({ width, height, data }: Image): Rgb {
  const colours = new Uint8Array(width * height * COLOURS);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let colour = 0; colour < COLOURS; colour++) colours[pixel * COLOURS + colour] = data[pixel * CHANNELS + colour] as number;
  }
  return { width, height, data: colours };
}

function resizeColumns({ width, height, data }: Rgb, to: number, filter: Filter): Rgb {
  if (to === width) return { width, height, data };
  const { first, count, weights, most } = tapsOf(width, to, filter);
  const result = new Uint8Array(to * height * COLOURS);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < to; column++) {
      let [red, green, blue] = [HALF, HALF, HALF];
      let at = (row * width + (first[column] as number)) * COLOURS;
      const end = column * most + (count[column] as number);
      for (let tap = column * most; tap < end; tap++, at += COLOURS) {
        const weight = weights[tap] as number;
        red += (data[at] as number) * weight;
        green += (data[at + 1] as number) * weight;
        blue += (data[at + 2] as number) * weight;
      }
      const into = (row * to + column) * COLOURS;
      result[into] = clipped(red);
      result[into + 1] = clipped(green);
      result[into + 2] = clipped(blue);
    }
  }
  return { width: to, height, data: result };
}

function resizeRows({ width, height, data }: Rgb, to: number, filter: Filter): Rgb {
  if (to === height) return { width, height, data };
  const { first, count, weights, most } = tapsOf(height, to, filter);
  const stride = width * COLOURS;
  const result = new Uint8Array(to * stride);
  const sums = new Int32Array(stride);
  for (let row = 0; row < to; row++) {
    sums.fill(HALF);
    for (let tap = 0; tap < (count[row] as number); tap++) {
      const weight = weights[row * most + tap] as number;
      const from = ((first[row] as number) + tap) * stride;
      for (let i = 0; i < stride; i++) sums[i] = (sums[i] as number) + (data[from + i] as number) * weight;
    }
    for (let i = 0; i < stride; i++) result[row * stride + i] = clipped(sums[i] as number);
  }
  return { width, height: to, data: result };
}

/** Memory beside the image and the result: `width` of the result by `height` of the image. */
export function resizeImage(image: Rgb, { width, height, filter }: { width: number; height: number; filter: ResizeFilter }): Rgb {
  return resizeRows(resizeColumns(image, width, FILTERS[filter]), height, FILTERS[filter]);
}
