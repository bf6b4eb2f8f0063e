/** Steps that multiply with weights. A work item is a range of weight rows, times all activation rows. */
import { gateRow } from './activation';
import { scratchBytes, takeItems } from './control';
import { addRow } from './elementwise';
import { matmul } from './matmul';
import { GatedRecord, LINEAR_BYTES, LinearRecord, LinearsRecord, rowsOf, StepRecord } from './step-records';

// @ts-ignore: decorator
@inline
export function partAt(first: usize, index: i32): LinearRecord {
  return changetype<LinearRecord>(first + <usize>index * LINEAR_BYTES);
}

// @ts-ignore: decorator
@inline
export function chunkOf(part: LinearRecord, rows: i32): i32 {
  return rows == 1 ? part.chunkOne : part.chunkMany;
}

// @ts-ignore: decorator
@inline
export function chunksOf(part: LinearRecord, rows: i32): i32 {
  const chunk = chunkOf(part, rows);
  return (part.weightRows + chunk - 1) / chunk;
}

export function runLinears(control: usize, op: LinearsRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  if (rows == 0) return;
  const first = changetype<usize>(op) + offsetof<LinearsRecord>();
  for (let item = takeItems(control, 1); ; item = takeItems(control, 1)) {
    let part = 0;
    for (; part < op.parts; part++) {
      const chunks = chunksOf(partAt(first, part), rows);
      if (item < chunks) break;
      item -= chunks;
    }
    if (part == op.parts) return;
    linearChunk(control, partAt(first, part), item, rows, scratch);
  }
}

function linearChunk(control: usize, part: LinearRecord, item: i32, rows: i32, scratch: usize): void {
  const chunk = chunkOf(part, rows);
  const begin = item * chunk;
  const end = min(begin + chunk, part.weightRows);
  multiply(part, begin, end, rows, part.out, part.outStride, scratch, scratchBytes(control));
  finishChunk(part, begin, end, rows, part.out, part.outStride);
}

// @ts-ignore: decorator
@inline
function multiply(part: LinearRecord, begin: i32, end: i32, rows: i32, out: usize, outStride: i32, scratch: usize, bytes: i32): void {
  matmul(part.type, part.weight, part.rowBytes, begin, end, part.cols, part.x, part.xStride, rows, out, outStride, scratch, bytes);
}

/** Adds bias and residual to weight rows [begin, end) of every activation row. */
function finishChunk(part: LinearRecord, begin: i32, end: i32, rows: i32, out: usize, outStride: i32): void {
  if (!part.bias && !part.residual) return;
  const from = <usize>(begin * 4);
  for (let row: usize = 0; row < <usize>rows; row++) {
    const to = out + row * <usize>outStride + from;
    if (part.bias) addRow(to, part.bias + from, to, end - begin);
    if (part.residual) addRow(to, part.residual + row * part.residualStride + from, to, end - begin);
  }
}

/** out = fn(gate x) * (up x); the rows of `up` live in scratch only. */
export function runGated(control: usize, op: GatedRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  if (rows == 0) return;
  const gate = partAt(changetype<usize>(op) + offsetof<GatedRecord>(), 0);
  const up = partAt(changetype<usize>(op) + offsetof<GatedRecord>(), 1);
  const chunk = chunkOf(gate, rows);
  const tileStride = chunk * 4;
  const tileBytes = (rows * tileStride + 63) & ~63;
  const rest = scratch + <usize>tileBytes;
  const restBytes = scratchBytes(control) - tileBytes;
  const items = chunksOf(gate, rows);
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const begin = item * chunk;
    const end = min(begin + chunk, gate.weightRows);
    // The kernel counts rows from 0, the tile from `begin`.
    const tile = scratch - <usize>(begin * 4);
    multiply(gate, begin, end, rows, gate.out, gate.outStride, rest, restBytes);
    multiply(up, begin, end, rows, tile, tileStride, rest, restBytes);
    finishChunk(gate, begin, end, rows, gate.out, gate.outStride);
    finishChunk(up, begin, end, rows, tile, tileStride);
    for (let row = 0; row < rows; row++) {
      const out = gate.out + <usize>(row * gate.outStride + begin * 4);
      gateRow(op.fn, op.limit, op.offset, out, tile + <usize>(row * tileStride + begin * 4), out, end - begin);
    }
  }
}
