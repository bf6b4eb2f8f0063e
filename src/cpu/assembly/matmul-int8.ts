/**
 * Prefill with quantised weights: y = x W^T by panels. Four packed weight rows at a time are unpacked into scratch, over
 * all columns, and multiplied with a chunk of activation rows that stays in the second-level cache.
 */
import { SPILL_BYTES } from './dot-q4-k';
import { packCodesQ4_0, packCodesQ4_K, CODE_PANEL_BLOCK, TILE_SUMS_BYTES } from './panel-codes';
import { FORM_MINIMUM, FORM_PAIRED_MINIMUMS, FORM_SCALE, formOf, packWideDescribed, widePanelBlock } from './panel-described';
import { packWideQ4_0, packWideQ4_K, packWideQ6_K, packWideQ8_0 } from './panel-wide';
import { groupAt } from './packed-rows';
import { ACTIVATION_BLOCK } from './quantize';
import { affineCodes1, affineCodes4, codes1, codes4 } from './tile-codes';
import {
  affineWide1, affineWide4, pairedWide1, pairedWide4, twoScalesWide1, twoScalesWide4, wide1, wide4, WIDE_ACTIVATION_BLOCK, widenRow,
} from './tile-wide';
import { isDescribed, Q4_0, Q4_K, Q6_K, Q8_0 } from './weight-type';

/** Scratch in front of a panel: a super-block's scales, then what the tiles need. */
const HEAD_BYTES: usize = SPILL_BYTES + TILE_SUMS_BYTES;

/** Bytes of activations that one pass over the weights reuses: half of a common second-level cache. */
const CHUNK_BYTES: usize = 512 * 1024;

// @ts-ignore: decorator
@inline
function isNarrow(type: i32): bool {
  return RELAXED && (type == Q4_0 || type == Q4_K);
}

/** Scratch with which gemmInt8 runs at full speed. */
export function gemmInt8ScratchBytes(type: i32, cols: i32): usize {
  const blocks = <usize>cols >> 5;
  if (isNarrow(type)) return HEAD_BYTES + blocks * CODE_PANEL_BLOCK;
  return HEAD_BYTES + blocks * widePanelBlock(type) + max<usize>(CHUNK_BYTES, 4 * blocks * WIDE_ACTIVATION_BLOCK);
}

/** The least scratch with which it runs at all. */
export function gemmInt8LeastScratch(type: i32, cols: i32): usize {
  const blocks = <usize>cols >> 5;
  if (isNarrow(type)) return HEAD_BYTES + blocks * CODE_PANEL_BLOCK;
  return HEAD_BYTES + blocks * (widePanelBlock(type) + 4 * WIDE_ACTIVATION_BLOCK);
}

/** Arguments as matmul's; rows r of the weights with rowBegin <= r < rowEnd. rowBegin is a multiple of GROUP_ROWS. */
export function gemmInt8(
  type: i32, w: usize, rowBytes: usize, rowBegin: i32, rowEnd: i32, cols: i32,
  x: usize, xStride: usize, xRows: i32, y: usize, yStride: usize, scratch: usize, scratchBytes: usize,
): void {
  const blocks = cols >> 5;
  const narrow = isNarrow(type);
  const panelBytes = <usize>blocks * (narrow ? CODE_PANEL_BLOCK : widePanelBlock(type));
  const chunkRowBytes = <usize>blocks * (narrow ? ACTIVATION_BLOCK : WIDE_ACTIVATION_BLOCK);
  const panel = scratch + HEAD_BYTES;
  const panelEnd = panel + panelBytes;
  const chunkBytes = narrow ? CHUNK_BYTES : scratch + scratchBytes - panelEnd;
  const chunkRows = max(4, <i32>(chunkBytes / chunkRowBytes) & ~3);
  for (let first = 0; first < xRows; first += chunkRows) {
    const rows = min(chunkRows, xRows - first);
    let chunk = x + <usize>first * xStride;
    let chunkStride = xStride;
    if (!narrow) {
      const wide = panelEnd;
      for (let r = 0; r < rows; r++) {
        const from = chunk + <usize>r * xStride;
        widenRow(from, from + <usize>blocks * ACTIVATION_BLOCK, wide + <usize>r * chunkRowBytes);
      }
      chunk = wide;
      chunkStride = chunkRowBytes;
    }
    for (let row = rowBegin; row < rowEnd; row += 4) {
      const group = groupAt(w, rowBytes, row);
      if (isDescribed(type)) packWideDescribed(type, panel, panelEnd, group, <usize>(row & 12) << 2);
      else packPanel(type, panel, panelEnd, group, <usize>(row & 12) << 2, scratch);
      const lanes = min(4, rowEnd - row);
      const to = y + <usize>first * yStride + (<usize>row << 2);
      multiplyPanel(type, panel, panelEnd, chunk, chunkStride, rows, to, yStride, lanes);
    }
  }
}

/** Unpacks four rows of the group at w: `side` is four times the number of the first. */
function packPanel(type: i32, to: usize, toEnd: usize, w: usize, side: usize, spill: usize): void {
  if (isNarrow(type)) {
    if (type == Q4_0) packCodesQ4_0(to, toEnd, w, side);
    else packCodesQ4_K(to, toEnd, w, side, spill);
  } else if (type == Q8_0) packWideQ8_0(to, toEnd, w, side);
  else if (type == Q4_0) packWideQ4_0(to, toEnd, w, side);
  else if (type == Q4_K) packWideQ4_K(to, toEnd, w, side, spill);
  else if (type == Q6_K) packWideQ6_K(to, toEnd, w, side);
  else unreachable();
}

function multiplyPanel(
  type: i32, panel: usize, panelEnd: usize, x: usize, xStride: usize, xRows: i32, y: usize, yStride: usize, lanes: i32,
): void {
  const form = formOf(type);
  let r = 0;
  for (; r + 4 <= xRows; r += 4, x += 4 * xStride, y += 4 * yStride) {
    if (isNarrow(type)) {
      if (type == Q4_0) codes4(panel, panelEnd, x, xStride, y, yStride, lanes);
      else affineCodes4(panel, panelEnd, x, xStride, y, yStride, lanes);
    } else if (form == FORM_SCALE) wide4(panel, panelEnd, x, xStride, y, yStride, lanes);
    else if (form == FORM_MINIMUM) affineWide4(panel, panelEnd, x, xStride, y, yStride, lanes);
    else if (form == FORM_PAIRED_MINIMUMS) pairedWide4(panel, panelEnd, x, xStride, y, yStride, lanes);
    else twoScalesWide4(panel, panelEnd, x, xStride, y, yStride, lanes);
  }
  for (; r < xRows; r++, x += xStride, y += yStride) {
    if (isNarrow(type)) {
      if (type == Q4_0) codes1(panel, panelEnd, x, y, lanes);
      else affineCodes1(panel, panelEnd, x, y, lanes);
    } else if (form == FORM_SCALE) wide1(panel, panelEnd, x, y, lanes);
    else if (form == FORM_MINIMUM) affineWide1(panel, panelEnd, x, y, lanes);
    else if (form == FORM_PAIRED_MINIMUMS) pairedWide1(panel, panelEnd, x, y, lanes);
    else twoScalesWide1(panel, panelEnd, x, y, lanes);
  }
}
