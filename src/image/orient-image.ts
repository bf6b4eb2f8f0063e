/** Turns and mirrors an image as EXIF's orientation says. */
import { CHANNELS } from './image.ts';
import type { Image } from './image.ts';

/** By orientation, from 5 on sides are swapped: whether a row of the result goes down a column of the source, and what runs backwards. */
const TURNS: Readonly<Record<number, { readonly swaps: boolean; readonly flipsX: boolean; readonly flipsY: boolean }>> = {
  2: { swaps: false, flipsX: true, flipsY: false },
  3: { swaps: false, flipsX: true, flipsY: true },
  4: { swaps: false, flipsX: false, flipsY: true },
  5: { swaps: true, flipsX: false, flipsY: false },
  6: { swaps: true, flipsX: false, flipsY: true },
  7: { swaps: true, flipsX: true, flipsY: true },
  8: { swaps: true, flipsX: true, flipsY: false },
};

/** The image as it is meant to be seen. */
export function orientImage(image: Image, orientation: number): Image {
  const turn = TURNS[orientation];
  if (turn === undefined) return image;
  const { width, height, data } = image;
  const [columns, rows] = turn.swaps ? [height, width] : [width, height];
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const to = new Uint32Array(width * height);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [x, y] = turn.swaps ? [row, column] : [column, row];
      to[row * columns + column] = from[(turn.flipsY ? height - 1 - y : y) * width + (turn.flipsX ? width - 1 - x : x)] as number;
    }
  }
  return { width: columns, height: rows, data: new Uint8Array(to.buffer, 0, to.length * CHANNELS) };
}
