/** Steps whose work items are rows: embed, norm, quantise, gather, activation, add, rotate. */
import { activationRow } from './activation';
import { itemsPerTake, takeItems } from './control';
import { dequantizeRow } from './dequantize';
import { addRow } from './elementwise';
import { rmsNormVector } from './norm';
import { quantizeRow } from './quantize';
import { ropeVector } from './rope';
import { EmbedRecord, NormRecord, RotateRecord, RowRecord, rowsOf, StepRecord } from './step-records';

export function runEmbed(control: usize, op: EmbedRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) {
      const token = <usize>load<u32>(op.tokens + <usize>(row * 4));
      dequantizeRow(op.type, op.weight + token * op.rowBytes, op.out + <usize>row * op.outStride, op.cols);
    }
  }
}

export function runNorm(control: usize, op: NormRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) normRow(op, row, scratch);
  }
}

function normRow(op: NormRecord, row: i32, scratch: usize): void {
  const from = op.indices ? load<u32>(op.indices + <usize>(row * 4)) : row;
  const x = op.x + <usize>from * op.xStride;
  const out = op.out ? op.out + <usize>row * op.outStride : scratch;
  const groupBytes = <usize>(op.cols * 4);
  for (let group: usize = 0; group < <usize>op.groups; group++) {
    rmsNormVector(x + group * groupBytes, op.gain, op.eps, out + group * groupBytes, op.cols);
  }
  if (op.codes) quantizeRow(out, op.codes + <usize>row * op.codesStride, op.cols * op.groups);
}

export const QUANTIZE: i32 = 0;
export const GATHER: i32 = 1;
export const ACTIVATION: i32 = 2;
export const ADD: i32 = 3;

export function runRows(control: usize, op: RowRecord, step: StepRecord, kind: i32): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) oneRow(op, kind, row);
  }
}

function oneRow(op: RowRecord, kind: i32, row: i32): void {
  const out = op.out + <usize>row * op.outStride;
  const a = op.a + <usize>row * op.aStride;
  const b = op.b ? op.b + <usize>row * op.bStride : 0;
  if (kind == QUANTIZE) quantizeRow(a, out, op.cols);
  else if (kind == ACTIVATION) activationRow(op.word, a, b, out, op.cols);
  else if (kind == ADD) addRow(a, b, out, op.cols);
  else memory.copy(out, op.a + <usize>load<u32>(op.b + <usize>(row * 4)) * op.aStride, <usize>(op.cols * 4));
}

/** Norm (no gain: none) and rotation (no table: none) of one head in place. */
export function prepareHead(x: usize, row: i32, headDim: i32, gain: usize, eps: f32, table: usize, half: i32): void {
  if (gain) rmsNormVector(x, gain, eps, x, headDim);
  if (table) ropeVector(x, table + <usize>(row * half * 8), half);
}

export function runRotate(control: usize, op: RotateRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  const headBytes = <usize>(op.headDim * 4);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) {
      const out = op.out + <usize>row * op.outStride;
      memory.copy(out, op.x + <usize>row * op.xStride, <usize>op.heads * headBytes);
      for (let head: usize = 0; head < <usize>op.heads; head++) {
        prepareHead(out + head * headBytes, row, op.headDim, op.gain, op.eps, op.table, op.half);
      }
    }
  }
}
