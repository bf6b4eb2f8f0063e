/** Which calls may begin, and which go first: by priority, then by deadline, then in the order in which they came. */
import { CapacityError } from '../tensor/errors.ts';
import { checkInteger } from '../tensor/option-names.ts';

/** What a caller says of a call. */
export interface CallTerms {
  /** Default 0. */
  readonly priority?: number | undefined;
  /** Milliseconds from now to when it is to be over. Default: no deadline. */
  readonly deadlineMs?: number | undefined;
}

/** Ranks of two calls are never equal. */
export interface Rank {
  readonly priority: number;
  /** On the clock of `performance.now()`; Infinity: none. */
  readonly deadlineAt: number;
  /** Number of the call. */
  readonly order: number;
}

/** Negative where `a` goes before `b`. */
export function compareRanks(a: Rank, b: Rank): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  return a.deadlineAt === b.deadlineAt ? a.order - b.order : a.deadlineAt - b.deadlineAt;
}

/** What the calls on one model may ask of it together. */
export interface CallLimits {
  /** Most calls that share its steps; default 64. One whose reader stays away does not count meanwhile. */
  readonly maxConcurrent?: number | undefined;
  /** Most calls that wait for one of those to end; one more is refused with a CapacityError. Default: any number. */
  readonly queueLimit?: number | undefined;
  /** Most milliseconds that a call waits for its first step; then it is refused with a CapacityError. Default: any number. */
  readonly queueTimeoutMs?: number | undefined;
}

const DEFAULT_CONCURRENT = 64;
/** What a timer of the platform can wait for. */
const MOST_MS = 2 ** 31 - 1;
const MOST_PRIORITY = 100;

/** @throws InputError for a priority or a deadline that is none */
export function checkCallTerms({ priority, deadlineMs }: CallTerms): void {
  checkInteger('priority', priority, { min: -MOST_PRIORITY, max: MOST_PRIORITY });
  checkInteger('deadlineMs', deadlineMs, { min: 1, max: MOST_MS });
}

export type ResolvedLimits = { readonly [Name in keyof Required<CallLimits>]: number };

/** Fills defaults in. @throws InputError for the first limit that is none */
export function resolveCallLimits({ maxConcurrent, queueLimit, queueTimeoutMs }: CallLimits): ResolvedLimits {
  checkInteger('maxConcurrent', maxConcurrent, { min: 1, max: 4096 });
  checkInteger('queueLimit', queueLimit, { min: 0, max: MOST_MS });
  checkInteger('queueTimeoutMs', queueTimeoutMs, { min: 1, max: MOST_MS });
  return {
    maxConcurrent: maxConcurrent ?? DEFAULT_CONCURRENT,
    queueLimit: queueLimit ?? Infinity,
    queueTimeoutMs: queueTimeoutMs ?? Infinity,
  };
}

export function queueFull(queueLimit: number): CapacityError {
  return new CapacityError(
    `The model's queue is full: ${queueLimit} calls wait for others to end (queueLimit). Ask again later, or load the model with more.`,
  );
}

export function waitedTooLong(queueTimeoutMs: number): CapacityError {
  return new CapacityError(
    `The call waited ${queueTimeoutMs} ms for others to end, and had no step yet (queueTimeoutMs). Ask again later, or load the model ` +
      'with more.',
  );
}

export function pastDeadline(deadlineMs: number): CapacityError {
  return new CapacityError(`The call was not over after ${deadlineMs} ms, its deadline (deadlineMs).`);
}
