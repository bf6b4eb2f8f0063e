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
const WILD_HALVES: usize = 416;
/** A cache line for each thread: the generation it has run last, how long it spins now, and how often that was in vain. */
const OWN: usize = 512;
const SEEN: usize = 0;
const BUDGET: usize = 4;
const FAILURES: usize = 8;
const SLEEPER: usize = 12;

/** Looks at a word before a thread sleeps: the least, and how many while it waits for the host, which may need its core. */
const LEAST_SPINS: i32 = 500;
const HOST_SPINS: i32 = 2000;
/** Every so many waits that ended in sleep, a thread tries the longest spin again. */
const RETRY_AFTER: i32 = 32;

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

/**
 * 1 once some f16 page has been given infinity or NaN: kept from step to step. Whoever writes it writes the same, and attention reads it
 * behind a barrier.
 */
// @ts-ignore: decorator
@inline
export function hasWildHalves(control: usize): i32 {
  return load<i32>(control, WILD_HALVES);
}

// @ts-ignore: decorator
@inline
export function markWildHalves(control: usize): void {
  store<i32>(control, 1, WILD_HALVES);
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

// @ts-ignore: decorator
@inline
function ownOf(control: usize, thread: i32): usize {
  return control + OWN + <usize>(thread * 64);
}

/**
 * Sleeps until the word at `address` is changed and notified. Nothing is live after the wait, and it is called through a table
 * index that lies in memory, so that no optimiser inlines it: the baseline compiler of Node 20's V8 loses locals over
 * memory.atomic.wait32.
 */
function sleep(address: usize, value: i32): void {
  atomic.wait<i32>(address, value, -1);
}

/** Spins `spins` times at most while the word at `address` holds `value`, then sleeps. True when spinning was enough. */
function waitWhile(control: usize, own: usize, address: usize, value: i32, spins: i32): bool {
  for (; spins > 0; spins--) {
    if (atomic.load<i32>(address) != value) return true;
  }
  atomic.add<i32>(control + SLEEPERS, 1);
  // A sleeper counts itself before it looks again, and a waker changes the word before it looks for sleepers: one of both sees the other.
  while (atomic.load<i32>(address) == value) call_indirect<void>(load<u32>(own, SLEEPER), address, value);
  atomic.sub<i32>(control + SLEEPERS, 1);
  return false;
}

/**
 * How long to spin next time. Where the one waited for has no core of its own (a busy machine), every spin is in vain and
 * only keeps it from running: the spin shrinks, and is tried at full length now and then.
 */
function learn(control: usize, own: usize, wasEnough: bool): void {
  const longest = load<i32>(control, SPINS);
  const budget = load<i32>(own, BUDGET);
  if (wasEnough) {
    store<i32>(own, min(longest, budget * 2), BUDGET);
    return;
  }
  const failures = load<i32>(own, FAILURES) + 1;
  store<i32>(own, failures, FAILURES);
  store<i32>(own, failures % RETRY_AFTER == 0 ? longest : max(LEAST_SPINS, budget / 2), BUDGET);
}

/** Waits until every thread is here. All work handed out before it is done, and the counter starts at zero again. */
export function barrier(control: usize, thread: i32): void {
  const generation = atomic.load<i32>(control + BARRIER);
  if (atomic.add<i32>(control + ARRIVED, 1) + 1 < threadCount(control)) {
    const own = ownOf(control, thread);
    learn(control, own, waitWhile(control, own, control + BARRIER, generation, load<i32>(own, BUDGET)));
    return;
  }
  atomic.store<i32>(control + ARRIVED, 0);
  atomic.store<i32>(control + NEXT_ITEM, 0);
  atomic.store<i32>(control + BARRIER, generation + 1);
  if (atomic.load<i32>(control + SLEEPERS) != 0) atomic.notify(control + BARRIER, -1);
}

/** Waits for the host to start a step. False when it asks the threads to end. */
export function awaitStep(control: usize, thread: i32): bool {
  const own = ownOf(control, thread);
  store<u32>(own, sleep.index, SLEEPER);
  waitWhile(control, own, control + GENERATION, load<i32>(own, SEEN), HOST_SPINS);
  // The host starts one step at a time: this is the one waited for.
  store<i32>(own, atomic.load<i32>(control + GENERATION), SEEN);
  return atomic.load<i32>(control + STOP) == 0;
}

/** Ends a thread's part of a step. True for the last thread: the step is done. */
export function finishStep(control: usize): bool {
  if (atomic.add<i32>(control + FINISHED, 1) + 1 < threadCount(control)) return false;
  atomic.store<i32>(control + FINISHED, 0);
  atomic.store<i32>(control + NEXT_ITEM, 0);
  return true;
}
