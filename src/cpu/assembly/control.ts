/**
 * The block of memory through which threads meet: a step counter they wait on, a barrier and a counter that hands
 * out work. Offsets are mirrored in control-layout.ts. Words that several threads write have a cache line each.
 */
const GENERATION: usize = 0;
const ARRIVED: usize = 64;
const BARRIER: usize = 128;
const SLEEPERS: usize = 192;
const NEXT_ITEM: usize = 256;
const FINISHED: usize = 320;
const THREADS: usize = 384;
const PROGRAM: usize = 388;
const PROGRAM_END: usize = 392;
const STEP: usize = 396;
const SCRATCH: usize = 400;
const SCRATCH_BYTES: usize = 404;
const SPINS: usize = 408;
const STOP: usize = 412;
/** Last generation that each thread has run: a cache line each, so that they do not share one. */
const SEEN: usize = 512;

// @ts-ignore: decorator
@inline
export function threadCount(control: usize): i32 {
  return load<i32>(control, THREADS);
}

// @ts-ignore: decorator
@inline
export function programBegin(control: usize): usize {
  return load<u32>(control, PROGRAM);
}

// @ts-ignore: decorator
@inline
export function programEnd(control: usize): usize {
  return load<u32>(control, PROGRAM_END);
}

// @ts-ignore: decorator
@inline
export function stepOf(control: usize): usize {
  return load<u32>(control, STEP);
}

// @ts-ignore: decorator
@inline
export function scratchBytes(control: usize): i32 {
  return load<i32>(control, SCRATCH_BYTES);
}

// @ts-ignore: decorator
@inline
export function scratchOf(control: usize, thread: i32): usize {
  return <usize>load<u32>(control, SCRATCH) + <usize>(thread * scratchBytes(control));
}

/** Takes the next `count` items; what it returns may lie past the last one. */
// @ts-ignore: decorator
@inline
export function takeItems(control: usize, count: i32): i32 {
  return atomic.add<i32>(control + NEXT_ITEM, count);
}

/** Items per take: eight takes a thread keep the counter cool and the threads balanced. */
export function itemsPerTake(control: usize, items: i32): i32 {
  return max(1, items / (threadCount(control) * 8));
}

/** Spins while the word at `address` holds `value`, for as long as the block says, then sleeps. */
function waitWhile(control: usize, address: usize, value: i32): void {
  for (let left = load<i32>(control, SPINS); left > 0; left--) {
    if (atomic.load<i32>(address) != value) return;
  }
  atomic.add<i32>(control + SLEEPERS, 1);
  // A sleeper counts itself before it looks again, and a waker changes the word before it looks for sleepers: one of both sees the other.
  while (atomic.load<i32>(address) == value) atomic.wait<i32>(address, value, -1);
  atomic.sub<i32>(control + SLEEPERS, 1);
}

/** Waits until every thread is here. All work handed out before it is done, and the counter starts at zero again. */
export function barrier(control: usize): void {
  const generation = atomic.load<i32>(control + BARRIER);
  if (atomic.add<i32>(control + ARRIVED, 1) + 1 < threadCount(control)) {
    waitWhile(control, control + BARRIER, generation);
    return;
  }
  atomic.store<i32>(control + ARRIVED, 0);
  atomic.store<i32>(control + NEXT_ITEM, 0);
  atomic.store<i32>(control + BARRIER, generation + 1);
  if (atomic.load<i32>(control + SLEEPERS) != 0) atomic.notify(control + BARRIER, -1);
}

/** Waits for the host to start a step. False when it asks the threads to end. */
export function awaitStep(control: usize, thread: i32): bool {
  const seen = control + SEEN + <usize>(thread * 64);
  const last = load<i32>(seen);
  waitWhile(control, control + GENERATION, last);
  store<i32>(seen, last + 1);
  return atomic.load<i32>(control + STOP) == 0;
}

/** Ends a thread's part of a step. True for the last thread: the step is done. */
export function finishStep(control: usize): bool {
  if (atomic.add<i32>(control + FINISHED, 1) + 1 < threadCount(control)) return false;
  atomic.store<i32>(control + FINISHED, 0);
  atomic.store<i32>(control + NEXT_ITEM, 0);
  return true;
}
