/**
 * Steps that multiply with matrices of experts. A work item is a range of weight rows: of one expert, or, where the products become one
 * sum, of all. Each expert's rows of the input come together, so that its weights are read once for up to EXPERT_TILE of them.
 */
import { gateRow } from './activation';
import { scratchBytes, takeItems } from './control';
import { addRow, addScaledRow } from './elementwise';
import {
  activeAt, endOfPairs, EXPERT_TILE, ExpertGroups, firstPair, gatherInputs, groupByExpert, inputBytes, pairAt, shareOf,
} from './expert-groups';
import { chunkOf, chunksOf, partAt } from './linear-steps';
import { matmul } from './matmul';
import { ExpertsRecord, LinearRecord, rowsOf, StepRecord } from './step-records';

/** Where a thread keeps what one work item needs. */
@unmanaged
class ExpertWork {
  /** Two of each, for gate and up: inputs put together, and products f32[EXPERT_TILE, chunk]. */
  inputs: usize;
  inputs2: usize;
  tile: usize;
  tile2: usize;
  tileStride: i32;
  /** The rest of the scratch, for the product's own use. */
  rest: usize;
  restBytes: usize;
}

/** Some rows of one expert, and a range of its weight rows. */
@unmanaged
class ExpertRange {
  expert: i32;
  firstPair: i32;
  pairs: i32;
  begin: i32;
  end: i32;
}

const HEADS_BYTES: usize = 128;

// @ts-ignore: decorator
@inline
function workAt(groups: ExpertGroups): ExpertWork {
  return changetype<ExpertWork>(groups.rest);
}

// @ts-ignore: decorator
@inline
function rangeAt(groups: ExpertGroups): ExpertRange {
  return changetype<ExpertRange>(groups.rest + 64);
}

// @ts-ignore: decorator
@inline
function firstPart(op: ExpertsRecord): usize {
  return changetype<usize>(op) + offsetof<ExpertsRecord>();
}

function layOutWork(control: usize, op: ExpertsRecord, groups: ExpertGroups, rows: i32, scratch: usize): void {
  const work = workAt(groups);
  const first = partAt(firstPart(op), 0);
  const isPair = op.parts == 2;
  const chunk = chunkOf(first, rows);
  const most = min(rows, EXPERT_TILE);
  work.tileStride = chunk * 4;
  const tileBytes = <usize>((most * work.tileStride + 63) & ~63);
  work.inputs = groups.rest + HEADS_BYTES;
  work.inputs2 = work.inputs + <usize>most * inputBytes(first);
  work.tile = (work.inputs2 + (isPair ? <usize>most * inputBytes(partAt(firstPart(op), 1)) : 0) + 63) & ~63;
  work.tile2 = work.tile + tileBytes;
  work.rest = work.tile2 + (isPair ? tileBytes : 0);
  work.restBytes = scratch + <usize>scratchBytes(control) - work.rest;
}

/** Products of a tile with a matrix, and its bias: tile f32[pairs, chunk], whose columns begin with weight row `begin`. */
function multiplyTile(op: ExpertsRecord, part: LinearRecord, groups: ExpertGroups, inputs: usize, tile: usize): void {
  const work = workAt(groups);
  const range = rangeAt(groups);
  const x = gatherInputs(op, part, groups, range.firstPair, range.pairs, inputs);
  const weight = part.weight + <usize>range.expert * part.matrixBytes;
  // The kernel counts rows from 0, the tile from `begin`.
  matmul(part.type, weight, part.rowBytes, range.begin, range.end, part.cols, x, inputBytes(part), range.pairs,
    tile - <usize>(range.begin * 4), work.tileStride, work.rest, work.restBytes);
  if (!part.bias) return;
  const bias = part.bias + <usize>((range.expert * part.weightRows + range.begin) * 4);
  for (let t = 0; t < range.pairs; t++) {
    const row = tile + <usize>(t * work.tileStride);
    addRow(row, bias, row, range.end - range.begin);
  }
}

/** y of each row and expert by itself: one part, W x; or two, fn(gate x) * (up x). */
export function runExperts(control: usize, op: ExpertsRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  if (rows == 0) return;
  const groups = groupByExpert(op, rows, scratch);
  layOutWork(control, op, groups, rows, scratch);
  const part = partAt(firstPart(op), 0);
  const range = rangeAt(groups);
  const chunk = chunkOf(part, rows);
  const chunks = chunksOf(part, rows);
  const items = groups.activeCount * chunks;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    range.expert = activeAt(groups, item / chunks);
    range.begin = (item % chunks) * chunk;
    range.end = min(range.begin + chunk, part.weightRows);
    const end = endOfPairs(groups, range.expert);
    for (range.firstPair = firstPair(groups, range.expert); range.firstPair < end; range.firstPair += EXPERT_TILE) {
      range.pairs = min(EXPERT_TILE, end - range.firstPair);
      makeTile(op, part, groups);
    }
  }
}

function makeTile(op: ExpertsRecord, part: LinearRecord, groups: ExpertGroups): void {
  const work = workAt(groups);
  const range = rangeAt(groups);
  multiplyTile(op, part, groups, work.inputs, work.tile);
  if (op.parts == 2) multiplyTile(op, partAt(firstPart(op), 1), groups, work.inputs2, work.tile2);
  const width = range.end - range.begin;
  for (let t = 0; t < range.pairs; t++) {
    const pair = pairAt(groups, range.firstPair + t);
    const row = pair / op.used;
    const out = part.out + <usize>(row * part.outStride) + <usize>(((pair - row * op.used) * part.weightRows + range.begin) * 4);
    const from = <usize>(t * work.tileStride);
    if (op.parts == 2) gateRow(op.fn, op.limit, op.offset, work.tile + from, work.tile2 + from, out, width);
    else memory.copy(out, work.tile + from, <usize>(width * 4));
  }
}

/** y[row] = what is added, and the sum over the row's experts of share * (W x). A work item owns some columns of y. */
export function runExpertMix(control: usize, op: ExpertsRecord, step: StepRecord, scratch: usize): void {
  const rows = rowsOf(op, step);
  if (rows == 0) return;
  const groups = groupByExpert(op, rows, scratch);
  layOutWork(control, op, groups, rows, scratch);
  const part = partAt(firstPart(op), 0);
  const range = rangeAt(groups);
  const chunk = chunkOf(part, rows);
  const items = chunksOf(part, rows);
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    range.begin = item * chunk;
    range.end = min(range.begin + chunk, part.weightRows);
    beginSums(op, part, range, rows);
    for (let index = 0; index < groups.activeCount; index++) {
      range.expert = activeAt(groups, index);
      const end = endOfPairs(groups, range.expert);
      for (range.firstPair = firstPair(groups, range.expert); range.firstPair < end; range.firstPair += EXPERT_TILE) {
        range.pairs = min(EXPERT_TILE, end - range.firstPair);
        addTile(op, part, groups);
      }
    }
  }
}

function beginSums(op: ExpertsRecord, part: LinearRecord, range: ExpertRange, rows: i32): void {
  const from = <usize>(range.begin * 4);
  const width = range.end - range.begin;
  for (let row: usize = 0; row < <usize>rows; row++) {
    const y = part.out + row * <usize>part.outStride + from;
    if (part.residual) memory.copy(y, part.residual + row * part.residualStride + from, <usize>(width * 4));
    else memory.fill(y, 0, <usize>(width * 4));
    if (op.other) addRow(y, op.other + row * op.otherStride + from, y, width);
  }
}

function addTile(op: ExpertsRecord, part: LinearRecord, groups: ExpertGroups): void {
  const work = workAt(groups);
  const range = rangeAt(groups);
  multiplyTile(op, part, groups, work.inputs, work.tile);
  for (let t = 0; t < range.pairs; t++) {
    const pair = pairAt(groups, range.firstPair + t);
    const y = part.out + <usize>(pair / op.used * part.outStride) + <usize>(range.begin * 4);
    addScaledRow(work.tile + <usize>(t * work.tileStride), shareOf(op, pair), y, range.end - range.begin);
  }
}
