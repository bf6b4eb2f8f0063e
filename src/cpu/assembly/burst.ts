/**
 * Steps that the threads run one after another without the host, a row a sequence: each reads the tokens that the one before has chosen,
 * the likeliest ones. A work item between two of them is a row.
 */
import { takeItems } from './control';
import { StepRecord, TILE_BYTES, TileRecord } from './step-records';

/** End tokens that a row has room for; burst-layout.ts has the same number. */
const MOST_ENDS: i32 = 8;

/** What a burst needs beside its first step; burst-layout.ts writes it in this order, and an {@link AnglesRecord} a rotation behind it. */
@unmanaged
export class BurstRecord {
  /** The most that run. */
  steps: i32;
  /** Steps that have run, and whether no more are to. */
  done: i32;
  isOver: i32;
  /** Set by the host while the steps run: the one that runs is the last. */
  stop: i32;
  /** Rows of logits: where there are several steps, as many as the steps have rows. */
  rows: i32;
  logits: usize;
  logitsStride: usize;
  vocab: i32;
  /** i32[steps][rows]; -1 where logits are of no use. */
  chosen: usize;
  /** i32[rows], where the model reads its tokens and their positions; 0: it reads no positions. */
  tokens: usize;
  positions: usize;
  pageTokens: i32;
  /** Groups of paged states, bytes from the pages of rows of one to those of the next, and from its page tables to the next one's. */
  groups: i32;
  rowPagesBytes: usize;
  pageTableBytes: usize;
  rotations: i32;
  /** i32[rows]: not 0 where no token of the row is wanted, or none any more; the row runs along. */
  over: usize;
  /** i32[rows][MOST_ENDS]: tokens behind which none is wanted; -1 where there are fewer. */
  ends: usize;
  /** Rows of which tokens are wanted: no step follows where there are none. */
  wanting: i32;
}

/** The angles of one rotation. */
@unmanaged
class AnglesRecord {
  /** Where the ops read them, [rows][bytes]. */
  to: usize;
  /** Those of all steps, [steps][rows][bytes]. */
  from: usize;
  bytes: usize;
}

/** Chooses the tokens that follow behind `done` steps, and writes what the next one reads of them, where there is one. */
export function chooseTokens(control: usize, burst: BurstRecord, step: StepRecord, done: i32): void {
  for (let row = takeItems(control, 1); row < burst.rows; row = takeItems(control, 1)) {
    const token = load<i32>(burst.over + <usize>(row * 4)) ? -1 : wantedToken(burst, row);
    store<i32>(burst.chosen + <usize>(((done - 1) * burst.rows + row) * 4), token);
    if (row == 0) {
      burst.done = done;
      burst.isOver = atomic.load<i32>(changetype<usize>(burst) + offsetof<BurstRecord>('stop'));
    }
    // A row that is over goes on with any token, as long as others are not.
    if (done < burst.steps) goOn(burst, step, row, max(0, token), done);
  }
}

/** The likeliest token of a row, which is over where that is an end, or where there is none: of that the host hears as -1. */
function wantedToken(burst: BurstRecord, row: i32): i32 {
  const token = likeliest(burst.logits + <usize>row * burst.logitsStride, burst.vocab);
  let isEnd = token < 0;
  for (let i = 0; i < MOST_ENDS; i++) isEnd = isEnd || load<i32>(burst.ends + <usize>((row * MOST_ENDS + i) * 4)) == token;
  if (isEnd) {
    store<i32>(burst.over + <usize>(row * 4), 1);
    atomic.sub<i32>(changetype<usize>(burst) + offsetof<BurstRecord>('wanting'), 1);
  }
  return token;
}

/** Places row `row` of step `done`, a position behind that of the step before. */
function goOn(burst: BurstRecord, step: StepRecord, row: i32, token: i32, done: i32): void {
  const word = <usize>(row * 4);
  store<i32>(burst.tokens + word, token);
  if (burst.positions) store<i32>(burst.positions + word, load<i32>(burst.positions + word) + 1);
  const first = changetype<usize>(burst) + offsetof<BurstRecord>();
  for (let i = 0; i < burst.rotations; i++) {
    const angles = changetype<AnglesRecord>(first + <usize>i * offsetof<AnglesRecord>());
    const from = angles.from + <usize>(done * burst.rows + row) * angles.bytes;
    memory.copy(angles.to + <usize>row * angles.bytes, from, angles.bytes);
  }
  let pages: usize = 0;
  let position = 0;
  for (let i = 0; i < step.tileCount; i++) {
    const tile = changetype<TileRecord>(step.tiles + <usize>i * TILE_BYTES);
    if (tile.firstRow != row) continue;
    // Of the parts of its keys the last one has the new key.
    if (tile.keyEnd == tile.firstPosition + 1) tile.keyEnd++;
    position = ++tile.firstPosition;
    pages = tile.pages;
  }
  const page = <usize>(position / burst.pageTokens) * 4;
  for (let group: usize = 0; group < <usize>burst.groups; group++) {
    const address = load<u32>(pages + group * burst.pageTableBytes + page);
    store<u32>(step.rowPages + group * burst.rowPagesBytes + word, address);
  }
  store<i32>(step.rowSlots + word, position % burst.pageTokens);
}

/** The index of the greatest of `count` floats, of equal ones the first; -1 where one is NaN or infinity, or none is finite. */
export function likeliest(x: usize, count: i32): i32 {
  const whole = count & ~3;
  const infinity = f32x4.splat(Infinity);
  let most4 = f32x4.splat(-Infinity);
  let good4 = i32x4.splat(-1);
  for (let i = 0; i < whole; i += 4) {
    const values = v128.load(x + <usize>(i * 4));
    good4 = v128.and(good4, f32x4.lt(values, infinity));
    most4 = f32x4.pmax(most4, values);
  }
  let isGood = i32x4.all_true(good4);
  let most = max(
    max(f32x4.extract_lane(most4, 0), f32x4.extract_lane(most4, 1)), max(f32x4.extract_lane(most4, 2), f32x4.extract_lane(most4, 3)),
  );
  for (let i = whole; i < count; i++) {
    const value = load<f32>(x + <usize>(i * 4));
    isGood = isGood && value < Infinity;
    most = max(most, value);
  }
  if (!isGood || most == -Infinity) return -1;
  most4 = f32x4.splat(most);
  for (let i = 0; i < whole; i += 4) {
    const equal = f32x4.eq(v128.load(x + <usize>(i * 4)), most4);
    if (v128.any_true(equal)) return i + ctz(i32x4.bitmask(equal));
  }
  for (let i = whole; i < count; i++) if (load<f32>(x + <usize>(i * 4)) == most) return i;
  return -1;
}
