/** How much of something a minute: a bucket that fills evenly, and starts full. */

export interface TokenBucket {
  readonly perMinute: number;
  /** What may be taken now; below 0 where more was taken than there was. */
  left(nowMs: number): number;
  /** May take more than is left: what an answer used is known when it is over. */
  take(amount: number, nowMs: number): void;
  /** Milliseconds until so much is left. */
  waitMs(amount: number, nowMs: number): number;
}

const MINUTE_MS = 60_000;

export function createTokenBucket(perMinute: number, nowMs: number): TokenBucket {
  let [level, at] = [perMinute, nowMs];
  const left = (now: number) => {
    level = Math.min(perMinute, level + ((now - at) * perMinute) / MINUTE_MS);
    at = now;
    return level;
  };
  return {
    perMinute,
    left,
    take(amount, now) {
      level = left(now) - amount;
    },
    waitMs: (amount, now) => Math.max(0, Math.ceil(((amount - left(now)) * MINUTE_MS) / perMinute)),
  };
}
