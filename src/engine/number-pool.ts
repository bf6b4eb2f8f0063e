/** Numbers of pages, or of slots: which exist, which are free, and how many hold each. */
import { CapacityError } from '../tensor/errors.ts';

/** Numbers of one kind of memory, of which more are made as they are asked for. */
export interface NumberPool {
  readonly free: number[];
  /** By number: how many hold it. */
  readonly holders: number[];
  /** By number: how many of those are no sequence, and do without it where memory is short. */
  readonly cached: number[];
  allocated: number;
  /** As many as there may ever be. */
  readonly limit: number;
  /** As many as there may be now: what there is, once a device has had no memory for more. */
  most: number;
  /** Numbers below it are of memory that a step has used. */
  sure: number;
  /** More than these are made only where nothing else is left. */
  readonly soon: number;
  /** What the device said then. */
  refusal?: CapacityError | undefined;
  readonly ensure: (count: number) => void;
  /** Whether so many more may be made now, which is otherwise when others have let go. Default: they may. */
  readonly mayGrow?: ((more: number) => boolean) | undefined;
}

/** Makes numbers free as far as there may be any; false where that is fewer than `wanted`. */
export function fill(pool: NumberPool, wanted: number, most = pool.most): boolean {
  const count = Math.min(most, pool.allocated + wanted - pool.free.length);
  if (count > pool.allocated && pool.mayGrow?.(count - pool.allocated) === false) {
    pool.refusal = new CapacityError('The state of another answer has no room beside the other models: fewer answers at a time fit.');
  } else if (count > pool.allocated) {
    pool.ensure(count);
    for (let number = count - 1; number >= pool.allocated; number--) pool.free.push(number);
    pool.allocated = count;
  }
  return pool.free.length >= wanted;
}

/** As {@link fill}. A device that has no memory for another page has those that it has, if it has any: then they are the most. */
export function fillPages(pool: NumberPool, wanted: number, most: number): boolean {
  try {
    return fill(pool, wanted, most);
  } catch (error) {
    if (!(error instanceof CapacityError) || pool.allocated === 0) throw error;
    pool.most = Math.min(pool.most, pool.allocated);
    pool.refusal = error;
    return false;
  }
}

export function hold({ holders }: NumberPool, number: number): void {
  holders[number] = (holders[number] ?? 0) + 1;
}

export function drop({ holders, free, allocated }: NumberPool, number: number): void {
  holders[number] = (holders[number] as number) - 1;
  if (holders[number] === 0 && number < allocated) free.push(number);
}

/** Holds a number for later, until memory is short. */
export function cache(pool: NumberPool, number: number): void {
  hold(pool, number);
  pool.cached[number] = (pool.cached[number] ?? 0) + 1;
}

export function uncache(pool: NumberPool, number: number): void {
  pool.cached[number] = (pool.cached[number] as number) - 1;
  drop(pool, number);
}

export function isCached({ cached }: NumberPool, number: number): boolean {
  return (cached[number] ?? 0) > 0;
}

/** How many sequences hold it. */
export function readers({ holders, cached }: NumberPool, number: number): number {
  return (holders[number] ?? 0) - (cached[number] ?? 0);
}

/** Whether it is only cached. */
export function isUnused(pool: NumberPool, number: number): boolean {
  return isCached(pool, number) && readers(pool, number) === 0;
}

/** How many are only cached. */
export function countUnused(pool: NumberPool): number {
  return pool.cached.reduce((count, _, number) => count + Number(isUnused(pool, number)), 0);
}

export function createNumberPool({ most, soon = most, ensure, mayGrow }: Pick<NumberPool, 'most' | 'ensure' | 'mayGrow'> & {
  readonly soon?: number | undefined;
}): NumberPool {
  return { free: [], holders: [], cached: [], allocated: 0, limit: most, most, sure: 0, soon: Math.min(most, soon), ensure, mayGrow };
}

/** A step failed for want of memory: forgets numbers that no step has used, whose memory may not be there. False where there is none. */
export function forgetUnsure(pool: NumberPool, refusal: CapacityError): boolean {
  if (pool.sure === 0 || pool.sure === pool.allocated) return false;
  pool.allocated = pool.most = pool.sure;
  pool.refusal = refusal;
  pool.free.splice(0, Infinity, ...pool.free.filter((number) => number < pool.sure));
  return true;
}
