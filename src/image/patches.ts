/** Patches of resized images, normalised, in the orders of transformers' processors. */
import type { ImageSettings } from './image-settings.ts';
import type { Rgb } from './resize-image.ts';

/** What a tower reads of one picture. */
export interface PatchGrid {
  /** [rows * columns, values of a patch], in the family's order of patches and of values. Made anew each time: pixels take a quarter. */
  readonly patches: Float32Array;
  /** In patches. */
  readonly rows: number;
  readonly columns: number;
  /** The pixels that it is made of, of each of its frames. */
  readonly pixels: readonly Uint8Array[];
}

const COLOURS = 3;

/** [colour, byte]: what a byte becomes. */
function normalised({ mean, std }: Pick<ImageSettings, 'mean' | 'std'>): Float32Array {
  return Float32Array.from({ length: COLOURS * 256 }, (_, i) => {
    const colour = i >> 8;
    return ((i & 255) / 255 - (mean[colour] as number)) / (std[colour] as number);
  });
}

/** LFM2-VL: patches row by row, each [row, column, colour]. */
export function rasterPatches(rgb: Rgb, settings: Pick<ImageSettings, 'patchSize' | 'mean' | 'std'>): PatchGrid {
  const [rows, columns] = [rgb.height / settings.patchSize, rgb.width / settings.patchSize];
  return {
    rows, columns, pixels: [rgb.data],
    get patches() {
      return rasterOrder(rgb, settings);
    },
  };
}

function rasterOrder({ width, height, data }: Rgb, settings: Pick<ImageSettings, 'patchSize' | 'mean' | 'std'>): Float32Array {
  const { patchSize } = settings;
  const [rows, columns] = [height / patchSize, width / patchSize];
  const table = normalised(settings);
  const patches = new Float32Array(width * height * COLOURS);
  const run = patchSize * COLOURS;
  let into = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let y = 0; y < patchSize; y++) {
        const from = ((row * patchSize + y) * width + column * patchSize) * COLOURS;
        for (let i = 0; i < run; i++) patches[into++] = table[((i % COLOURS) << 8) | (data[from + i] as number)] as number;
      }
    }
  }
  return patches;
}

type BlockSettings = Pick<ImageSettings, 'patchSize' | 'mergeSize' | 'mean' | 'std'>;

/**
 * Qwen-VL: blocks of `mergeSize` by `mergeSize` patches row by row, the patches of a block side by side, each [colour, time, row, column].
 * @param frames of one size, one for each time of a patch: a still image is its own next frame
 */
export function mergeBlockPatches(frames: readonly Rgb[], settings: BlockSettings): PatchGrid {
  const { width, height } = frames[0] as Rgb;
  const [rows, columns] = [height / settings.patchSize, width / settings.patchSize];
  return {
    rows, columns, pixels: [...new Set(frames)].map(({ data }) => data),
    get patches() {
      return mergeBlockOrder(frames, settings);
    },
  };
}

function mergeBlockOrder(frames: readonly Rgb[], settings: BlockSettings): Float32Array {
  const { patchSize, mergeSize } = settings;
  const { width, height } = frames[0] as Rgb;
  const [rows, columns] = [height / patchSize, width / patchSize];
  const table = normalised(settings);
  const patches = new Float32Array(width * height * COLOURS * frames.length);
  let into = 0;
  const patchAt = (row: number, column: number) => {
    for (let colour = 0; colour < COLOURS; colour++) {
      for (const { data } of frames) {
        for (let y = 0; y < patchSize; y++) {
          let from = ((row * patchSize + y) * width + column * patchSize) * COLOURS + colour;
          for (let x = 0; x < patchSize; x++, from += COLOURS) patches[into++] = table[(colour << 8) | (data[from] as number)] as number;
        }
      }
    }
  };
  for (let top = 0; top < rows; top += mergeSize) {
    for (let left = 0; left < columns; left += mergeSize) {
      for (let row = top; row < top + mergeSize; row++) for (let column = left; column < left + mergeSize; column++) patchAt(row, column);
    }
  }
  return patches;
}
