/**
 * Every row over all rows, by what they hold and by how far apart they are (Dai et al. 2019). A work item is one head of some rows, as in
 * full attention. Row i looks at row j with row `rows - 1 - i + j` of p, so that the distances of a tile of keys lie one after another.
 */
import { takeItems } from './control';
import { addRow, scaleRow } from './elementwise';
import { attendTile, scoreKeys } from './full-attention';
import { KEYS } from './tile-weights';
import { RelativeAttentionRecord, rowsOf, StepRecord } from './step-records';

/** Rows of a work item; cpu/ops/relative-attention.ts reckons the scratch by them and by the keys of a tile. */
const ROWS: i32 = 8;

export function runRelativeAttention(control: usize, op: RelativeAttentionRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  const items = ((rows + ROWS - 1) / ROWS) * op.heads;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const first = (item / op.heads) * ROWS;
    attendHead(op, first, min(ROWS, rows - first), item % op.heads, rows, scratch);
  }
}

/** Scratch: f32[64] scores by content and by distance, the best score and the sum of weights of each row, queries with either bias. */
function attendHead(op: RelativeAttentionRecord, first: i32, count: i32, head: i32, rows: i32, scores: usize): void {
  const headBytes = <usize>(op.headDim * 4);
  const within = <usize>head * headBytes;
  const distances = scores + <usize>(KEYS * 4);
  const sums = distances + <usize>(KEYS * 4);
  const byContent = sums + <usize>(ROWS * 8);
  const byDistance = byContent + <usize>ROWS * headBytes;
  const out = op.out + <usize>first * op.outStride + within;
  for (let row: usize = 0; row < <usize>count; row++) {
    const q = op.q + (<usize>first + row) * op.qStride + within;
    addRow(q, op.contentBias + within, byContent + row * headBytes, op.headDim);
    addRow(q, op.positionBias + within, byDistance + row * headBytes, op.headDim);
    memory.fill(out + row * op.outStride, 0, headBytes);
    store<f32>(sums + row * 8, -Infinity);
    store<f32>(sums + row * 8, 0, 4);
  }
  for (let key = 0; key < rows; key += KEYS) {
    const keys = min(KEYS, rows - key);
    const k = op.k + <usize>key * op.kStride + within;
    const v = op.v + <usize>key * op.vStride + within;
    for (let row: usize = 0; row < <usize>count; row++) {
      const p = op.p + <usize>(rows - 1 - first - <i32>row + key) * op.pStride + within;
      scoreKeys(byContent + row * headBytes, op.headDim, k, op.kStride, keys, scores, op.scale);
      scoreKeys(byDistance + row * headBytes, op.headDim, p, op.pStride, keys, distances, op.scale);
      addRow(scores, distances, scores, (keys + 3) & ~3);
      attendTile(scores, keys, sums + row * 8, v, op.vStride, out + row * op.outStride, op.headDim);
    }
  }
  for (let row: usize = 0; row < <usize>count; row++)
    scaleRow(out + row * op.outStride, <f32>1 / load<f32>(sums + row * 8, 4), out + row * op.outStride, op.headDim);
}
