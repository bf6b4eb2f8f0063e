/** Steps that multiply with weights. A work item is a range of weight rows, times all activation rows. */
import { gateRow } from './activation';
import { scratchBytes, scratchOf, takeItems } from './control';
import { addRow } from './elementwise';
import { matmul } from './matmul';
import { codesAt, quantizeRow } from './quantize';
import { makeInput } from './row-steps';
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

export function runLinears(control: usize, thread: i32, op: LinearsRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  if (rows == 0) return;
  const first = changetype<usize>(op) + offsetof<LinearsRecord>();
  const from = op.input ? makeInput(control, thread, op.input, first + <usize>op.parts * LINEAR_BYTES, step) : 0;
  for (let item = takeItems(control, 1); ; item = takeItems(control, 1)) {
    let part = 0;
    for (; part < op.parts; part++) {
      const chunks = chunksOf(partAt(first, part), rows);
      if (item < chunks) break;
      item -= chunks;
    }
    if (part == op.parts) return;
    linearChunk(control, partAt(first, part), from, item, rows, scratchOf(control, thread));
  }
}

function linearChunk(control: usize, part: LinearRecord, from: i32, item: i32, rows: i32, scratch: usize): void {
  const chunk = chunkOf(part, rows);
  const begin = item * chunk;
  const end = min(begin + chunk, part.weightRows);
  multiply(part, from, begin, end, rows, part.out, part.outStride, scratch, scratchBytes(control));
  finishChunk(part, begin, end, rows, part.out, part.outStride);
}

/** Weight rows [begin, end) times `rows` rows of the input from row `from` on. */
// @ts-ignore: decorator
@inline
function multiply(
  part: LinearRecord, from: i32, begin: i32, end: i32, rows: i32, out: usize, outStride: i32, scratch: usize, bytes: i32,
): void {
  const x = part.x + <usize>(from * part.xStride);
  matmul(part.type, part.weight, part.rowBytes, begin, end, part.cols, x, part.xStride, rows, out, outStride, scratch, bytes);
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

/** out = fn(gate x) * (up x), and its codes; the rows of `up` live in scratch only. */
export function runGated(control: usize, thread: i32, op: GatedRecord, step: StepRecord): void {
  const rows = rowsOf(op, step);
  if (rows == 0) return;
  const first = changetype<usize>(op) + offsetof<GatedRecord>();
  const from = op.input ? makeInput(control, thread, op.input, first + 2 * LINEAR_BYTES, step) : 0;
  const gate = partAt(first, 0);
  const up = partAt(first, 1);
  const scratch = scratchOf(control, thread);
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
    multiply(gate, from, begin, end, rows, gate.out, gate.outStride, rest, restBytes);
    multiply(up, from, begin, end, rows, tile, tileStride, rest, restBytes);
    finishChunk(gate, begin, end, rows, gate.out, gate.outStride);
    finishChunk(up, begin, end, rows, tile, tileStride);
    for (let row = 0; row < rows; row++) {
      const out = gate.out + <usize>(row * gate.outStride + begin * 4);
      gateRow(op.fn, op.limit, op.offset, out, tile + <usize>(row * tileStride + begin * 4), out, end - begin);
      if (op.codes) quantizeRow(out, codesAt(op.codes + <usize>row * op.codesStride, begin), end - begin);
    }
  }
}
