/** Linear modules of a folder as GPTQ, AWQ and compressed-tensors pack four bits with zero points, and the values that they stand for. */
import type { JsonObject } from '../src/tensor/checkpoint.ts';
import { f16ToF32, f32ToF16 } from '../src/tensor/half.ts';
import type { FixtureTensor } from './fixture-tensors.ts';

type Tensors = ReadonlyMap<string, FixtureTensor>;

const GROUP = 32;

interface Nibbles {
  readonly rows: number;
  readonly cols: number;
  readonly groups: number;
  code(row: number, col: number): number;
  zero(row: number, group: number): number;
  /** Bits of an f16. */
  scale(row: number, group: number): number;
}

/** Each group between its least and its largest value. */
function nibblesOf({ shape, bytes }: FixtureTensor): Nibbles {
  const [rows, cols] = shape as [number, number];
  const groups = cols / GROUP;
  const values = new Float32Array(bytes.slice().buffer);
  const scales = new Uint16Array(rows * groups);
  const zeros = new Uint8Array(rows * groups);
  for (let at = 0; at < scales.length; at++) {
    const group = values.subarray(at * GROUP, (at + 1) * GROUP);
    const least = Math.min(...group);
    scales[at] = f32ToF16((Math.max(...group) - least) / 15);
    zeros[at] = Math.min(15, Math.max(1, Math.round(-least / f16ToF32(scales[at]!))));
  }
  const zero = (row: number, group: number) => zeros[row * groups + group]!;
  const scale = (row: number, group: number) => scales[row * groups + group]!;
  const code = (row: number, col: number) => {
    const group = Math.floor(col / GROUP);
    const rounded = Math.round(values[row * cols + col]! / f16ToF32(scale(row, group))) + zero(row, group);
    return Math.min(15, Math.max(0, rounded));
  };
  return { rows, cols, groups, code, zero, scale };
}

/** Words [lines, count] of eight nibbles, the first in the lowest bits. */
function words(lines: number, count: number, nibble: (line: number, word: number, n: number) => number): FixtureTensor {
  const made = Uint32Array.from({ length: lines * count }, (_, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].reduce((word, n) => word | (nibble(Math.floor(at / count), at % count, n) << (4 * n)), 0));
  return { dtype: 'I32', shape: [lines, count], bytes: new Uint8Array(made.buffer) };
}

function halves(lines: number, count: number, bits: (line: number, n: number) => number): FixtureTensor {
  const made = Uint16Array.from({ length: lines * count }, (_, at) => bits(Math.floor(at / count), at % count));
  return { dtype: 'F16', shape: [lines, count], bytes: new Uint8Array(made.buffer) };
}

/** The group of each column. */
function groupIndex(cols: number): FixtureTensor {
  const groups = Int32Array.from({ length: cols }, (_, col) => Math.floor(col / GROUP));
  return { dtype: 'I32', shape: [cols], bytes: new Uint8Array(groups.buffer) };
}

/** AutoAWQ's order of the rows of a word. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7] as const;

interface Packing {
  readonly settings: JsonObject;
  planes(nibbles: Nibbles): Readonly<Record<string, FixtureTensor>>;
}

/** By `quant_method`. */
export const PACKINGS: Readonly<Record<string, Packing>> = {
  // With a bias of zeros where the model has none, as AutoGPTQ wrote it.
  gptq: {
    settings: { bits: 4, group_size: GROUP, sym: false, desc_act: false },
    planes: ({ rows, cols, groups, code, zero, scale }) => ({
      qweight: words(cols / 8, rows, (line, row, n) => code(row, 8 * line + n)),
      qzeros: words(groups, rows / 8, (group, word, n) => (zero(8 * word + n, group) + 15) & 15),
      scales: halves(groups, rows, (group, row) => scale(row, group)),
      g_idx: groupIndex(cols),
      bias: { dtype: 'F16', shape: [rows], bytes: new Uint8Array(2 * rows) },
    }),
  },
  awq: {
    settings: { bits: 4, group_size: GROUP, zero_point: true, version: 'gemm' },
    planes: ({ rows, cols, groups, code, zero, scale }) => ({
      qweight: words(cols, rows / 8, (col, word, n) => code(8 * word + AWQ_ORDER[n]!, col)),
      qzeros: words(groups, rows / 8, (group, word, n) => zero(8 * word + AWQ_ORDER[n]!, group)),
      scales: halves(groups, rows, (group, row) => scale(row, group)),
    }),
  },
  'compressed-tensors': {
    settings: {
      format: 'pack-quantized',
      config_groups: { group_0: {
        targets: ['Linear'], weights: { num_bits: 4, type: 'int', symmetric: false, strategy: 'group', group_size: GROUP },
      } },
    },
    planes: ({ rows, cols, groups, code, zero, scale }) => ({
      weight_packed: words(rows, cols / 8, (row, word, n) => code(row, 8 * word + n)),
      weight_zero_point: words(rows / 8, groups, (line, group, n) => zero(8 * line + n, group)),
      weight_scale: halves(rows, groups, scale),
      weight_shape: { dtype: 'I64', shape: [2], bytes: new Uint8Array(BigInt64Array.of(BigInt(rows), BigInt(cols)).buffer) },
    }),
  },
};

/** Every `_proj` of the folder packed, and the same folder with the values that its codes stand for. */
export function packNibbles(tensors: Tensors, { planes }: Packing): { readonly packed: Tensors; readonly decoded: Tensors } {
  const packed = new Map(tensors);
  const decoded = new Map(tensors);
  for (const [name, tensor] of tensors) {
    if (!name.endsWith('_proj.weight')) continue;
    const nibbles = nibblesOf(tensor);
    const { cols, code, zero, scale } = nibbles;
    packed.delete(name);
    const own = Object.entries(planes(nibbles)).map(([plane, made]) => [name.replace(/weight$/, plane), made] as const);
    for (const [plane, made] of own) if (!tensors.has(plane)) packed.set(plane, made);
    const values = Float32Array.from({ length: tensor.bytes.length / 4 }, (_, at) => {
      const [row, col] = [Math.floor(at / cols), at % cols];
      const group = Math.floor(col / GROUP);
      return (code(row, col) - zero(row, group)) * f16ToF32(scale(row, group));
    });
    decoded.set(name, { ...tensor, bytes: new Uint8Array(values.buffer) });
  }
  return { packed, decoded };
}
