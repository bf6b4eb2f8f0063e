/**
 * Steps whose work items are rows: embed, norm, quantise, gather, columns, joined columns, activation, add, scale, softcap, sums over
 * experts, rotate.
 */
import { gateRow } from './activation';
import { barrier, itemsPerTake, scratchOf, takeItems } from './control';
import { matrixRow } from './dequantize';
import { addRow, addScaledRow, scaleRow, softcapRow } from './elementwise';
import { layerNormVector, rmsNormVector } from './norm';
import { quantizeRow } from './quantize';
import { ropeVector } from './rope';
import {
  ActivationRecord, EmbedRecord, headAt, HeadRecord, INPUT_NORM, NormRecord, NumberRecord, OpRecord, RotateRecord, RowRecord, rowsOf,
  StepRecord,
} from './step-records';

export function runEmbed(control: usize, op: EmbedRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) {
      const token = load<i32>(op.tokens + <usize>(row * 4));
      const out = op.out + <usize>row * op.outStride;
      matrixRow(op.type, op.weight, op.rowBytes, token, out, op.cols);
      if (op.scale != 1) scaleRow(out, op.scale, out, op.cols);
    }
  }
}

export function runNorm(control: usize, op: NormRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) normRow(op, row, row, scratch);
  }
}

/** Row `row` of the result, to row `to` of where it goes. */
function normRow(op: NormRecord, row: i32, to: i32, scratch: usize): void {
  const from = op.indices ? load<u32>(op.indices + <usize>(row * 4)) : row;
  const x = op.x + <usize>from * op.xStride;
  const out = op.out ? op.out + <usize>to * op.outStride : scratch;
  const groupBytes = <usize>(op.cols * 4);
  for (let group: usize = 0; group < <usize>op.groups; group++) {
    const at = group * groupBytes;
    if (op.centred) layerNormVector(x + at, op.gain, op.bias, op.eps, out + at, op.cols);
    else rmsNormVector(x + at, op.gain, op.eps, out + at, op.cols);
  }
  if (op.residual) addRow(out, op.residual + <usize>row * op.residualStride, out, op.cols * op.groups);
  if (op.codes) quantizeRow(out, op.codes + <usize>to * op.codesStride, op.cols * op.groups);
}

/**
 * Makes the input of products, by the record at `at`; returns the row from which the calling thread reads it. A single row each thread
 * makes for itself, since all of them would wait longer for the one that makes it than it takes; several rows they make together.
 */
export function makeInput(control: usize, thread: i32, kind: i32, at: usize, step: StepRecord): i32 {
  const isNorm = kind == INPUT_NORM;
  const scratch = scratchOf(control, thread);
  if (rowsOf(changetype<OpRecord>(at), step) == 1) {
    if (isNorm) normRow(changetype<NormRecord>(at), 0, thread, scratch);
    else quantizeFirst(changetype<RowRecord>(at), thread);
    return thread;
  }
  if (isNorm) runNorm(control, changetype<NormRecord>(at), step, scratch);
  else runRows(control, changetype<RowRecord>(at), step, QUANTIZE);
  barrier(control, thread);
  return 0;
}

function quantizeFirst(op: RowRecord, to: i32): void {
  quantizeRow(op.a, op.out + <usize>to * op.outStride, op.cols);
}

export const QUANTIZE: i32 = 0;
export const GATHER: i32 = 1;
export const ACTIVATION: i32 = 2;
export const ADD: i32 = 3;
export const COLUMNS: i32 = 4;
export const EXPERT_SUM: i32 = 5;
export const SCALE_ROWS: i32 = 6;
export const JOIN_COLUMNS: i32 = 7;

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
  else if (kind == ACTIVATION) activateRow(changetype<ActivationRecord>(op), a, b, out);
  else if (kind == ADD) addRow(a, b, out, op.cols);
  else if (kind == EXPERT_SUM) expertSumRow(a, b, op.word, out, op.cols);
  else if (kind == SCALE_ROWS) scaleRow(a, load<f32>(b), out, op.cols);
  else if (kind == COLUMNS) memory.copy(out, a + <usize>(op.word * 4), <usize>(op.cols * 4));
  else if (kind == JOIN_COLUMNS) joinRow(a, b, <usize>(op.word * 4), out, <usize>(op.cols * 4));
  else memory.copy(out, op.a + <usize>load<u32>(op.b + <usize>(row * 4)) * op.aStride, <usize>(op.cols * 4));
}

// @ts-ignore: decorator
@inline
function joinRow(a: usize, b: usize, leftBytes: usize, out: usize, bytes: usize): void {
  memory.copy(out, a, leftBytes);
  memory.copy(out + leftBytes, b, bytes - leftBytes);
}

/** out = the sum over i of shares[i] * x[i]; x f32[used, cols], shares f32[used]. */
function expertSumRow(x: usize, shares: usize, used: i32, out: usize, cols: i32): void {
  scaleRow(x, load<f32>(shares), out, cols);
  for (let i = 1; i < used; i++) addScaledRow(x + <usize>(i * cols * 4), load<f32>(shares + <usize>(i * 4)), out, cols);
}

// @ts-ignore: decorator
@inline
function activateRow(op: ActivationRecord, x: usize, up: usize, out: usize): void {
  gateRow(op.word, op.limit, op.offset, x, up, out, op.cols);
}

/** Every value times a number, or kept within it. */
export function runNumber(control: usize, op: NumberRecord, step: StepRecord, isCap: bool): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  const number = op.weight ? load<f32>(op.weight) : op.number;
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) {
      const x = op.x + <usize>row * op.xStride;
      const out = op.out + <usize>row * op.outStride;
      if (isCap) softcapRow(x, number, out, op.cols);
      else scaleRow(x, number, out, op.cols);
    }
  }
}

/** Norm and rotation of one head in place. */
export function prepareHead(x: usize, row: i32, headDim: i32, how: HeadRecord): void {
  if (how.norm) rmsNormVector(x, how.gain, how.eps, x, headDim);
  if (how.table) ropeVector(x, how.table + <usize>(row * how.half * 8), how.half);
}

export function runRotate(control: usize, op: RotateRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  const take = itemsPerTake(control, rows);
  const headBytes = <usize>(op.headDim * 4);
  const how = headAt(changetype<usize>(op) + offsetof<RotateRecord>(), 0);
  for (let first = takeItems(control, take); first < rows; first = takeItems(control, take)) {
    for (let row = first; row < min(first + take, rows); row++) {
      const out = op.out + <usize>row * op.outStride;
      memory.copy(out, op.x + <usize>row * op.xStride, <usize>op.heads * headBytes);
      for (let head: usize = 0; head < <usize>op.heads; head++) {
        prepareHead(out + head * headBytes, row, op.headDim, how);
      }
    }
  }
}
