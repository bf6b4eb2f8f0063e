/**
 * Weights of e4m3 values (safetensors' F8_E4M3) with scales: one for a tensor, one for each row, or one for each block of rows and columns.
 * DeepSeek's and Qwen's folders call them `weight_scale_inv`, compressed-tensors' and others `weight_scale`; both multiply
 * (transformers' `Fp8Dequantize`). Activations are not rounded to e4m3 here, so that scales of activations are left out.
 */
import type { SkippedTensor, TensorEntry } from '../../tensor/checkpoint.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { checkFloatScales } from './affine-scales.ts';
import { checkWholeBlocks, isSameShape, missingPlane, shapeText, wrongPlane } from './folder-planes.ts';
import type { JoinedFolder, PackedFolder } from './folder-planes.ts';
import { joinedTensor, rowPlane, tensorInFile } from './joined-tensor.ts';
import type { Plane } from './plane.ts';
import { floatRows, scaleBytes } from './scale-grids.ts';

/** Columns under one scale of Ingot's blocks. */
const GROUP = 128;

/** Rows and columns under one scale. */
export type ScaleBlock = readonly [rows: number, cols: number];

/** Whether a setting is one. */
export function isScaleBlock(value: unknown): value is ScaleBlock {
  return Array.isArray(value) && value.length === 2 && value.every((size) => Number.isSafeInteger(size) && (size as number) > 0);
}

const OF_ACTIVATIONS = /\.(input_scale|input_scale_ub|activation_scale|input_zero_point|output_scale|k_scale|v_scale|q_scale)$/;

/** @param block of tensors with a scale for each block */
export function joinFp8(folder: PackedFolder, block: ScaleBlock): JoinedFolder {
  const weights = [...folder.tensors.values()].filter(({ type, name }) => type === 'f8_e4m3' && name.endsWith('.weight'));
  const skipped = [...folder.tensors.keys()].filter((name) => OF_ACTIVATIONS.test(name)).map((name): SkippedTensor => ({
    name, reason: 'a scale of activations, which are not rounded to e4m3 here',
  }));
  return {
    joined: weights.map((weight) => {
      const scales = scalesOf(folder, weight);
      const cols = weight.shape.at(-1) as number;
      checkWholeBlocks(weight, cols, 'fp8_g128');
      const rows = elementsOf(weight.shape.slice(0, -1));
      const planes = { codes: rowPlane(weight, rows), scales: scalePlane(weight, scales, block) };
      return {
        tensor: joinedTensor({ name: weight.name, type: 'fp8_g128', shape: weight.shape, planes, from: weight }),
        planes: [weight.name, scales.name],
      };
    }),
    skipped,
  };
}

function scalesOf(folder: PackedFolder, weight: TensorEntry): TensorEntry {
  if (weight.shape.length < 2 || elementsOf(weight.shape) === 0) throw wrongPlane(weight, 'a matrix');
  const names = [`${weight.name}_scale_inv`, `${weight.name}_scale`];
  const scales = names.map((name) => folder.tensors.get(name)).find((entry) => entry !== undefined);
  if (scales === undefined) throw missingPlane(folder.name, names.join(' or '), 'the scales of e4m3 values');
  checkFloatScales(scales);
  return scales;
}

/** An f32 scale for each 128 columns of each row, whatever the file's own blocks are. */
function scalePlane(weight: TensorEntry, scales: TensorEntry, block: ScaleBlock): Plane {
  const outer = weight.shape.slice(0, -2);
  const [out, cols] = weight.shape.slice(-2) as [number, number];
  const { rows: blockRows, cols: blockCols } = blockOf(weight, scales, block);
  const lines = Math.ceil(out / blockRows);
  const isWhole = elementsOf(scales.shape) === 1;
  const grid = floatRows(scales, isWhole ? 1 : elementsOf(outer) * lines);
  /** The line of scales of a row of all experts'. */
  const lineOf = (row: number) => (isWhole ? 0 : Math.floor(row / out) * lines + Math.floor((row % out) / blockRows));
  const groups = cols / GROUP;
  return {
    name: tensorInFile(scales),
    async read(row, count, options) {
      const first = lineOf(row);
      const last = lineOf(row + count - 1);
      const values = await grid.read(first, last - first + 1, options);
      const each = values.length / (last - first + 1);
      const spread = new Float32Array(count * groups);
      for (let r = 0; r < count; r++) {
        const line = (lineOf(row + r) - first) * each;
        for (let group = 0; group < groups; group++) spread[r * groups + group] = values[line + Math.floor((group * GROUP) / blockCols)]!;
      }
      return scaleBytes('f32', spread, 1);
    },
  };
}

/** What shape the scales have, as a block: of a whole tensor, of a row, or the one of the settings. */
function blockOf(weight: TensorEntry, scales: TensorEntry, [blockRows, blockCols]: ScaleBlock): { rows: number; cols: number } {
  const outer = weight.shape.slice(0, -2);
  const [out, cols] = weight.shape.slice(-2) as [number, number];
  const whole = { rows: Infinity, cols: Infinity };
  if (elementsOf(scales.shape) === 1) return whole;
  if (isSameShape(scales.shape, [...outer, out, 1]) || isSameShape(scales.shape, [...outer, out])) return { ...whole, rows: 1 };
  const ofBlocks = [...outer, Math.ceil(out / blockRows), Math.ceil(cols / blockCols)];
  if (isSameShape(scales.shape, ofBlocks) && blockCols % GROUP === 0) return { rows: blockRows, cols: blockCols };
  throw wrongPlane(
    scales,
    `one scale, one a row ${shapeText([...outer, out, 1])}, or one for each ${blockRows} x ${blockCols} values ${shapeText(ofBlocks)}, ` +
      `with columns in multiples of ${GROUP}, for e4m3 values ${shapeText(weight.shape)}`,
  );
}
