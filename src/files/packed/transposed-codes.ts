/** Planes of GPTQ's and AWQ's tensors, which lie transposed: codes to streams along rows, packed zero points to numbers. */
import type { TensorEntry } from '../../tensor/checkpoint.ts';
import { tensorInFile } from './joined-tensor.ts';
import type { Plane } from './plane.ts';
import type { NumberGrid } from './scale-grids.ts';
import { transposedLines } from './transposed-lines.ts';
import type { Stretches } from './transposed-lines.ts';

/** GPTQ: u32 words [in * bits / 32, out], of which a column is the stream of a row's codes. */
export function columnWords(entry: TensorEntry, stretches: Stretches): Plane {
  const lines = transposedLines(entry, stretches);
  return {
    name: tensorInFile(entry),
    async read(row, count, options) {
      const out = new Uint32Array(count * lines.lines);
      await lines.forColumns(row, row + count, ({ bytes, begin, width }, from, to) => {
        const words = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
        for (let line = 0; line < lines.lines; line++) {
          const at = line * width - begin;
          for (let column = from; column < to; column++) out[(column - row) * lines.lines + line] = words[at + column]!;
        }
      }, options);
      return new Uint8Array(out.buffer);
    },
  };
}

/** AWQ: which 4 bits of a word hold each of its 8 rows (awq/utils/packing_utils.py, `AWQ_REVERSE_ORDER`). */
const AWQ_PLACE = [0, 4, 1, 5, 2, 6, 3, 7] as const;
const AWQ_ROWS = 8;

/** AWQ: u32 words [in, out / 8], each of the codes of 8 rows; `in` is a multiple of 8. */
export function awqCodes(entry: TensorEntry, stretches: Stretches): Plane {
  const lines = transposedLines(entry, stretches);
  const rowWords = lines.lines / AWQ_ROWS;
  return {
    name: tensorInFile(entry),
    async read(row, count, options) {
      const out = new Uint32Array(count * rowWords);
      const end = row + count;
      await lines.forColumns(Math.floor(row / AWQ_ROWS), Math.ceil(end / AWQ_ROWS), ({ bytes, begin, width }, from, to) => {
        const words = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
        for (let column = from; column < to; column++) {
          const [first, last] = [Math.max(row, column * AWQ_ROWS), Math.min(end, (column + 1) * AWQ_ROWS)];
          for (let word = 0; word < rowWords; word++) {
            const at = word * AWQ_ROWS * width + column - begin;
            for (let r = first; r < last; r++) out[(r - row) * rowWords + word] = nibblesOf(words, at, width, 4 * AWQ_PLACE[r % AWQ_ROWS]!);
          }
        }
      }, options);
      return new Uint8Array(out.buffer);
    },
  };
}

/** The same 4 bits of 8 words that lie `step` apart, as one word. */
function nibblesOf(words: Uint32Array, at: number, step: number, shift: number): number {
  let result = 0;
  for (let i = 0; i < 8; i++) result |= ((words[at + i * step]! >>> shift) & 15) << (4 * i);
  return result;
}

/** AWQ's zero points: u32 words [groups, out / 8]. */
export function awqZeros(entry: TensorEntry, stretches: Stretches): NumberGrid {
  const lines = transposedLines(entry, stretches);
  const groups = lines.lines;
  return {
    name: tensorInFile(entry),
    async read(row, count, options) {
      const values = new Float32Array(count * groups);
      const end = row + count;
      await lines.forColumns(Math.floor(row / AWQ_ROWS), Math.ceil(end / AWQ_ROWS), ({ bytes, begin, width }, from, to) => {
        const words = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
        for (let r = Math.max(row, from * AWQ_ROWS); r < Math.min(end, to * AWQ_ROWS); r++) {
          const column = Math.floor(r / AWQ_ROWS) - begin;
          const shift = 4 * AWQ_PLACE[r % AWQ_ROWS]!;
          for (let group = 0; group < groups; group++) values[(r - row) * groups + group] = (words[group * width + column]! >>> shift) & 15;
        }
      }, options);
      return values;
    },
  };
}

export interface ZeroStream {
  readonly bits: number;
  /** What is added to the number that is stored: GPTQ's first version stores a zero point less 1. */
  readonly meaning: (stored: number) => number;
}

/** GPTQ's zero points: u32 words [groups, out * bits / 32], along a line the stream of the zero points of all rows. */
export function streamZeros(entry: TensorEntry, { bits, meaning }: ZeroStream, stretches: Stretches): NumberGrid {
  const lines = transposedLines(entry, stretches);
  const groups = lines.lines;
  return {
    name: tensorInFile(entry),
    async read(row, count, options) {
      const values = new Float32Array(count * groups);
      const end = row + count;
      // Whole periods of 96 bits: no zero point crosses the end of a stretch.
      const [firstWord, endWord] = [3 * Math.floor((row * bits) / 96), Math.min(lines.columns, 3 * Math.ceil((end * bits) / 96))];
      await lines.forColumns(firstWord, endWord, ({ bytes, begin, width }, from, to) => {
        const words = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
        const [first, last] = [Math.max(row, (from * 32) / bits), Math.min(end, (to * 32) / bits)];
        for (let r = Math.ceil(first); r < last; r++) {
          const bit = r * bits;
          const [word, shift] = [Math.floor(bit / 32) - begin, bit % 32];
          for (let group = 0; group < groups; group++) {
            const at = group * width + word;
            const next = shift + bits > 32 ? words[at + 1]! << (32 - shift) : 0;
            values[(r - row) * groups + group] = meaning(((words[at]! >>> shift) | next) & (2 ** bits - 1));
          }
        }
      }, options);
      return values;
    },
  };
}
