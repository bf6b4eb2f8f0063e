/**
 * The attention step: keys and values of the new rows go to their pages, then every tile attends, then splits combine. Where each sequence
 * is one tile, whoever attends prepares what its heads need, and nobody waits between the two.
 */
import { attend, combine } from './attention';
import { AttentionWork } from './attention-work';
import { barrier, hasWildHalves, itemsPerTake, markWildHalves, scratchOf, takeItems } from './control';
import { packCodes } from './kv-codes';
import { KV_F16, KV_Q4, KV_Q8, packFloats, packHalves } from './kv-element';
import { codesAt, quantizeRow } from './quantize';
import { prepareHead } from './row-steps';
import {
  AttentionRecord, COMBINE_BYTES, CombineRecord, headAt, HeadRecord, isPrepared, rowsOf, SEQUENCE_BYTES, SequenceRecord, StepRecord,
  TILE_BYTES, TileRecord,
} from './step-records';

/** Heads of one work item of the first phase. */
const HEADS_PER_ITEM: i32 = 8;
/** Whose keys and values tiles attend to: those of the step's own rows among them, those that another step wrote, those of a memory. */
const PREPARED_HERE: i32 = 0;
const STORED: i32 = 1;
const MEMORY: i32 = 2;

export function runAttention(control: usize, thread: i32, op: AttentionRecord, step: StepRecord): void {
  if (!step.areWhole) {
    prepareRows(control, op, step, scratchOf(control, thread));
    barrier(control, thread);
  }
  attendTiles(control, thread, op, step, PREPARED_HERE);
}

/** Keys and values of new rows to their pages, and nothing else. */
export function runWriteMemory(control: usize, thread: i32, op: AttentionRecord, step: StepRecord): void {
  prepareRows(control, op, step, scratchOf(control, thread));
}

export function runStoredAttention(control: usize, thread: i32, op: AttentionRecord, step: StepRecord): void {
  attendTiles(control, thread, op, step, op.after != 0 ? MEMORY : STORED);
}

/** Every tile attends to the keys up to its own, or to all that the memory of its sequence holds; then splits combine. */
function attendTiles(control: usize, thread: i32, op: AttentionRecord, step: StepRecord, keys: i32): void {
  const scratch = scratchOf(control, thread);
  const work = changetype<AttentionWork>(scratch);
  const vectors = scratch + ((offsetof<AttentionWork>() + 63) & ~63);
  describe(work, op);
  work.wildHalves = hasWildHalves(control);
  const items = step.tileCount * op.kvHeads;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const tile = changetype<TileRecord>(step.tiles + <usize>(item / op.kvHeads) * TILE_BYTES);
    setTile(work, tile, op);
    if (keys == MEMORY) setMemory(work, tile, step);
    work.kvHead = item % op.kvHeads;
    if (keys == PREPARED_HERE && step.areWhole) prepareTile(control, op, step, work, vectors);
    attend(work, vectors);
    if (op.codes && work.partial < 0) quantizeTile(op, work);
  }
  if (step.combineCount == 0) return;
  barrier(control, thread);
  const merges = step.combineCount * op.heads;
  const take = itemsPerTake(control, merges);
  for (let first = takeItems(control, take); first < merges; first = takeItems(control, take)) {
    for (let item = first; item < min(first + take, merges); item++) {
      const record = changetype<CombineRecord>(step.combines + <usize>(item / op.heads) * COMBINE_BYTES);
      combine(work, record.row, item % op.heads, record.firstPartial, record.partials, vectors);
      if (op.codes) quantizeHeads(op, record.row, item % op.heads, 1);
    }
  }
}

export function describe(work: AttentionWork, op: AttentionRecord): void {
  work.heads = op.heads;
  work.kvHeads = op.kvHeads;
  work.keyDim = op.keyDim;
  work.keyWidth = op.keyWidth;
  work.valueDim = op.valueDim;
  work.valueWidth = op.valueWidth;
  work.scale = op.scale;
  work.keyType = op.keyType;
  work.keyBytes = op.keyBytes;
  work.valueType = op.valueType;
  work.valueBytes = op.valueBytes;
  work.pageTokens = op.pageTokens;
  work.stateOffset = op.stateOffset;
  work.valueOffset = op.valueOffset;
  work.q = op.q;
  work.qStride = op.qStride;
  work.out = op.out;
  work.outStride = op.outStride;
  work.partials = op.partials;
  work.before = op.before;
  work.after = op.after;
  work.softcap = op.softcap;
  work.sinks = op.sinks;
  work.beta = op.beta;
  work.length = op.length;
}

// @ts-ignore: decorator
@inline
export function setTile(work: AttentionWork, tile: TileRecord, op: AttentionRecord): void {
  work.pages = tile.pages + op.pagesOffset;
  work.firstRow = tile.firstRow;
  work.rows = tile.rows;
  work.firstPosition = tile.firstPosition + op.ahead;
  // Of parts of the keys the last one has those ahead. A part that lies outside of the window has none left: its partial result is empty.
  const end = tile.keyEnd + (tile.keyEnd < tile.firstPosition + tile.rows ? 0 : op.ahead);
  work.keyBegin = max(tile.keyBegin, work.firstPosition - op.before);
  work.keyEnd = min(end, work.firstPosition + tile.rows + op.after);
  work.partial = tile.partial;
}

/** All keys of the sequence's memory. Of tiles that share the keys of one row the first takes them all, and the others none. */
// @ts-ignore: decorator
@inline
export function setMemory(work: AttentionWork, tile: TileRecord, step: StepRecord): void {
  const sequence = changetype<SequenceRecord>(step.sequences + <usize>tile.sequence * SEQUENCE_BYTES);
  work.keyBegin = 0;
  work.keyEnd = tile.partial >= 0 && tile.keyBegin > 0 ? 0 : sequence.memory;
}

/** How query heads (0), key heads (1) and value heads (2) are prepared. */
// @ts-ignore: decorator
@inline
function preparationOf(op: AttentionRecord, kind: i32): HeadRecord {
  return headAt(changetype<usize>(op) + offsetof<AttentionRecord>(), kind);
}

/** Norm and rotation of query heads in place; those of key and value heads on their way into the page. */
function prepareRows(control: usize, op: AttentionRecord, step: StepRecord, scratch: usize): void {
  const queryHeads = isPrepared(preparationOf(op, 0)) ? op.heads : 0;
  const heads = queryHeads + 2 * op.kvHeads;
  const parts = (heads + HEADS_PER_ITEM - 1) / HEADS_PER_ITEM;
  const rows = rowsOf(op, step);
  const items = rows * parts;
  const take = rows == 1 ? 1 : itemsPerTake(control, items);
  let wild = 0;
  for (let first = takeItems(control, take); first < items; first = takeItems(control, take)) {
    for (let item = first; item < min(first + take, items); item++) {
      const row = item / parts;
      const begin = (item % parts) * HEADS_PER_ITEM;
      for (let head = begin; head < min(begin + HEADS_PER_ITEM, heads); head++) {
        if (head < queryHeads) prepareQuery(op, row, head);
        else if (head < queryHeads + op.kvHeads) wild |= storeKey(op, step, row, head - queryHeads, scratch);
        else wild |= storeValue(op, step, row, head - queryHeads - op.kvHeads, scratch);
      }
    }
  }
  if (wild) markWildHalves(control);
}

/** The same for the rows of a tile and one key head; `scratch` is what attention uses behind it. */
function prepareTile(control: usize, op: AttentionRecord, step: StepRecord, work: AttentionWork, scratch: usize): void {
  const group = isPrepared(preparationOf(op, 0)) ? op.heads / op.kvHeads : 0;
  let wild = 0;
  for (let row = work.firstRow; row < work.firstRow + work.rows; row++) {
    for (let head = work.kvHead * group; head < (work.kvHead + 1) * group; head++) prepareQuery(op, row, head);
    wild |= storeKey(op, step, row, work.kvHead, scratch);
    wild |= storeValue(op, step, row, work.kvHead, scratch);
  }
  if (wild) markWildHalves(control);
  // What other threads store meanwhile is of other heads.
  work.wildHalves = hasWildHalves(control);
}

/** Int8 activations of a tile's results: whole blocks, since a head has whole ones. */
function quantizeTile(op: AttentionRecord, work: AttentionWork): void {
  const group = op.heads / op.kvHeads;
  for (let row = work.firstRow; row < work.firstRow + work.rows; row++) quantizeHeads(op, row, work.kvHead * group, group);
}

function quantizeHeads(op: AttentionRecord, row: i32, head: i32, count: i32): void {
  const from = op.out + <usize>row * op.outStride + <usize>(head * op.valueDim * 4);
  quantizeRow(from, codesAt(op.codes + <usize>row * op.codesStride, head * op.valueDim), count * op.valueDim);
}

function prepareQuery(op: AttentionRecord, row: i32, head: i32): void {
  const x = op.q + <usize>row * op.qStride + <usize>(head * op.keyDim * 4);
  prepareHead(x, row, op.keyDim, preparationOf(op, 0));
}

function storeKey(op: AttentionRecord, step: StepRecord, row: i32, head: i32, scratch: usize): i32 {
  const bytes = <usize>(op.keyDim * 4);
  memory.copy(scratch, op.k + <usize>row * op.kStride + <usize>head * bytes, bytes);
  prepareHead(scratch, row, op.keyDim, preparationOf(op, 1));
  const to = slotOf(op, step, row, head, op.stateOffset, op.keyBytes);
  return storeVector(op.keyType, scratch, to, op.keyDim, op.keyWidth);
}

function storeValue(op: AttentionRecord, step: StepRecord, row: i32, head: i32, scratch: usize): i32 {
  const how = preparationOf(op, 2);
  let from = op.v + <usize>row * op.vStride + <usize>(head * op.valueDim * 4);
  if (isPrepared(how)) {
    memory.copy(scratch, from, <usize>(op.valueDim * 4));
    prepareHead(scratch, row, op.valueDim, how);
    from = scratch;
  }
  const to = slotOf(op, step, row, head, op.stateOffset + op.valueOffset, op.valueBytes);
  return storeVector(op.valueType, from, to, op.valueDim, op.valueWidth);
}

/** Where the row's vector of a head goes, `offset` bytes into its page being the first of such vectors. */
// @ts-ignore: decorator
@inline
function slotOf(op: AttentionRecord, step: StepRecord, row: i32, head: i32, offset: usize, bytes: i32): usize {
  const page = <usize>load<u32>(step.rowPages + op.rowPagesOffset + <usize>(row * 4)) + offset;
  const slot = load<i32>(step.rowSlots + op.rowSlotsOffset + <usize>(row * 4));
  return page + <usize>((head * op.pageTokens + slot) * bytes);
}

/** 1 where an f16 page is given infinity or NaN. */
// @ts-ignore: decorator
@inline
function storeVector(type: i32, from: usize, to: usize, count: i32, padded: i32): i32 {
  if (type == KV_F16) return packHalves(from, to, count, padded);
  if (type == KV_Q8 || type == KV_Q4) {
    packCodes(from, to, count, padded, type == KV_Q4);
    return 0;
  }
  packFloats(from, to, count, padded);
  return 0;
}
