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
/** 1: the host's thread takes the last thread's part in this step, whose worker stays away. */
const HOSTED: usize = 420;
/** A BurstRecord, where the step is the first of several; or 0. */
const BURST: usize = 424;
/** The step counter of the last thread's worker. */
const LAST_GENERATION: usize = 448;
/**
 * A cache line for each thread, and one for the host where it is the last thread: the generation it has run last, how long it spins now,
 * how often that was in vain, and how it sleeps.
 */
const OWN: usize = 512;
const SEEN: usize = 0;
const BUDGET: usize = 4;
const FAILURES: usize = 8;
const SLEEPER: usize = 12;

/** Looks at a word before a thread sleeps: the least, and how many while it waits for the host, which may need its core. */
const LEAST_SPINS: i32 = 500;
const HOST_SPINS: i32 = 2000;
/**
 * Times the spins of a barrier: how long a worker waits awake for a host that takes part in steps, which needs no core but its own. It is
 * what a host does between two tokens, and short where barriers have found the machine busy.
 */
const HOSTED_SPINS: i32 = 4;
/** How long the host waits for the others, in nanoseconds: its part ends with them, but for threads that were ended from outside. */
const HOST_PATIENCE: i64 = 60_000_000_000;
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
export function burstOf(control: usize): usize {
  return load<u32>(control, BURST);
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

let overdue: i32 = 0;

/** The host's way to sleep, of the same form: one that nobody ends must not hold the host's events for ever. */
function sleepOfHost(address: usize, value: i32): void {
  if (atomic.wait<i32>(address, value, HOST_PATIENCE) != 2) {
    overdue = 0;
    return;
  }
  // A process that was stopped itself finds its patience over and its threads well: they have a second one.
  if (++overdue == 2) unreachable();
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
    store<i32>(own, min(longest, max(LEAST_SPINS, budget) * 2), BUDGET);
    return;
  }
  const failures = load<i32>(own, FAILURES) + 1;
  store<i32>(own, failures, FAILURES);
  store<i32>(own, failures % RETRY_AFTER == 0 ? longest : max(LEAST_SPINS, budget / 2), BUDGET);
}

/**
 * Waits until every thread is here. All work handed out before it is done, and the counter starts at zero again. Traps where another
 * thread has failed, since it will not come: `abandonStep` sets STOP before it opens the barrier, so that it is seen here or there.
 */
export function barrier(control: usize, thread: i32): void {
  const generation = atomic.load<i32>(control + BARRIER);
  if (atomic.load<i32>(control + STOP) != 0) unreachable();
  if (atomic.add<i32>(control + ARRIVED, 1) + 1 < threadCount(control)) {
    const own = ownOf(control, thread + i32(isHosted(control) && isLast(control, thread)));
    learn(control, own, waitWhile(control, own, control + BARRIER, generation, load<i32>(own, BUDGET)));
    if (atomic.load<i32>(control + STOP) != 0) unreachable();
    return;
  }
  atomic.store<i32>(control + ARRIVED, 0);
  atomic.store<i32>(control + NEXT_ITEM, 0);
  atomic.store<i32>(control + BARRIER, generation + 1);
  if (atomic.load<i32>(control + SLEEPERS) != 0) atomic.notify(control + BARRIER, -1);
}

// @ts-ignore: decorator
@inline
function isHosted(control: usize): bool {
  return load<i32>(control, HOSTED) != 0;
}

// @ts-ignore: decorator
@inline
function isLast(control: usize, thread: i32): bool {
  return thread + 1 == threadCount(control);
}

/** Waits for the host to start a step. False when it asks the threads to end. */
export function awaitStep(control: usize, thread: i32): bool {
  const own = ownOf(control, thread);
  store<u32>(own, sleep.index, SLEEPER);
  const generation = control + (isLast(control, thread) ? LAST_GENERATION : GENERATION);
  const spins = isHosted(control) && !isLast(control, thread) ? HOSTED_SPINS * load<i32>(own, BUDGET) : HOST_SPINS;
  waitWhile(control, own, generation, load<i32>(own, SEEN), spins);
  // The host starts one step at a time: this is the one waited for.
  store<i32>(own, atomic.load<i32>(generation), SEEN);
  return atomic.load<i32>(control + STOP) == 0;
}

/**
 * Ends a worker's part of a step. True for the last of them where the host waits for a message: the step is done. A host that took part
 * waits as the threads do.
 */
export function finishStep(control: usize, thread: i32): bool {
  if (isHosted(control)) {
    barrier(control, thread);
    return false;
  }
  if (atomic.add<i32>(control + FINISHED, 1) + 1 < threadCount(control)) return false;
  atomic.store<i32>(control + FINISHED, 0);
  atomic.store<i32>(control + NEXT_ITEM, 0);
  return true;
}

/** Starts a step in which the calling thread, the host's, is the last one; the step is done when `endHosted` returns. */
export function startHosted(control: usize): void {
  store<u32>(ownOf(control, threadCount(control)), sleepOfHost.index, SLEEPER);
  store<i32>(control, 1, HOSTED);
  atomic.add<i32>(control + GENERATION, 1);
  if (atomic.load<i32>(control + SLEEPERS) != 0) atomic.notify(control + GENERATION, -1);
}

export function endHosted(control: usize): void {
  barrier(control, threadCount(control) - 1);
}

/** Sends every thread that waits for the calling one, which has failed, out of its step: they trap. */
export function abandonStep(control: usize): void {
  atomic.store<i32>(control + STOP, 1);
  atomic.add<i32>(control + BARRIER, 1);
  atomic.notify(control + BARRIER, -1);
}
