/** Rows put together by the expert they go to. Each thread does it for itself: that is cheaper than a barrier. */
import { activationBytes } from './quantize';
import { ExpertsRecord, LinearRecord } from './step-records';
import { takesFloats } from './weight-type';

/** Rows of one expert that are multiplied at a time. */
export const EXPERT_TILE: i32 = 64;

/** Lies in a thread's scratch. A pair is a row and one of its experts: row * used + i. */
@unmanaged
export class ExpertGroups {
  /** i32[experts]: where the pairs of an expert end. */
  ends: usize;
  /** i32[activeCount]: experts that some row goes to. */
  active: usize;
  activeCount: i32;
  /** i32[rows * used], by expert. */
  pairs: usize;
  /** Scratch behind it. */
  rest: usize;
}

export function groupByExpert(op: ExpertsRecord, rows: i32, scratch: usize): ExpertGroups {
  const groups = changetype<ExpertGroups>(scratch);
  const words = <usize>(op.experts * 4);
  const ends = scratch + offsetof<ExpertGroups>();
  groups.ends = ends;
  groups.active = ends + words;
  groups.pairs = ends + 2 * words;
  groups.rest = (groups.pairs + <usize>(rows * op.used * 4) + 63) & ~63;
  memory.fill(ends, 0, words);
  for (let pair = 0; pair < rows * op.used; pair++) {
    const at = ends + <usize>(expertOf(op, pair) * 4);
    store<i32>(at, load<i32>(at) + 1);
  }
  findActive(groups, op.experts);
  for (let pair = 0; pair < rows * op.used; pair++) {
    const at = ends + <usize>(expertOf(op, pair) * 4);
    const end = load<i32>(at);
    store<i32>(groups.pairs + <usize>(end * 4), pair);
    store<i32>(at, end + 1);
  }
  return groups;
}

/** Lists the experts that have pairs; counts become places of first pairs. */
function findActive(groups: ExpertGroups, experts: i32): void {
  let begin = 0;
  let active = 0;
  for (let expert = 0; expert < experts; expert++) {
    const at = groups.ends + <usize>(expert * 4);
    const count = load<i32>(at);
    store<i32>(at, begin);
    begin += count;
    if (count == 0) continue;
    store<i32>(groups.active + <usize>(active * 4), expert);
    active++;
  }
  groups.activeCount = active;
}

// @ts-ignore: decorator
@inline
function expertOf(op: ExpertsRecord, pair: i32): i32 {
  const row = pair / op.used;
  const at = op.routes + <usize>row * op.routesStride + <usize>((op.used + pair - row * op.used) * 4);
  return <i32>load<f32>(at);
}

/** What the expert of a pair counts. */
// @ts-ignore: decorator
@inline
export function shareOf(op: ExpertsRecord, pair: i32): f32 {
  const row = pair / op.used;
  return load<f32>(op.routes + <usize>row * op.routesStride + <usize>((pair - row * op.used) * 4));
}

// @ts-ignore: decorator
@inline
export function activeAt(groups: ExpertGroups, index: i32): i32 {
  return load<i32>(groups.active + <usize>(index * 4));
}

// @ts-ignore: decorator
@inline
export function pairAt(groups: ExpertGroups, place: i32): i32 {
  return load<i32>(groups.pairs + <usize>(place * 4));
}

// @ts-ignore: decorator
@inline
export function firstPair(groups: ExpertGroups, expert: i32): i32 {
  return expert == 0 ? 0 : load<i32>(groups.ends + <usize>((expert - 1) * 4));
}

// @ts-ignore: decorator
@inline
export function endOfPairs(groups: ExpertGroups, expert: i32): i32 {
  return load<i32>(groups.ends + <usize>(expert * 4));
}

// @ts-ignore: decorator
@inline
export function inputBytes(part: LinearRecord): usize {
  return <usize>activationBytes(part.type, part.cols);
}

/** Inputs of `count` pairs from place `first` on, `inputBytes` apart: copied to `to`, or where it lies if there is one. */
export function gatherInputs(op: ExpertsRecord, part: LinearRecord, groups: ExpertGroups, first: i32, count: i32, to: usize): usize {
  if (count == 1) return inputOf(op, part, pairAt(groups, first));
  const stride = inputBytes(part);
  const bytes = takesFloats(part.type) ? <usize>(part.cols * 4) : stride;
  for (let t = 0; t < count; t++) memory.copy(to + <usize>t * stride, inputOf(op, part, pairAt(groups, first + t)), bytes);
  return to;
}

// @ts-ignore: decorator
@inline
function inputOf(op: ExpertsRecord, part: LinearRecord, pair: i32): usize {
  const row = pair / op.used;
  return part.x + <usize>(row * part.xStride) + <usize>(pair - row * op.used) * op.eachBytes;
}
