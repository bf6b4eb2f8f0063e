/** Pages of groups with a window: which of them a position sees, and when they go. */
import { drop } from './number-pool.ts';
import type { NumberPool } from './number-pool.ts';
import type { PoolParts } from './pool-parts.ts';
import type { SequenceState } from './sequence-state.ts';

type Windows = Pick<PoolParts, 'windows' | 'pages' | 'pageTokens'>;

/** Indices [from, to). */
export interface PageRange {
  readonly from: number;
  readonly to: number;
}

/** Indices of the pages of a group that a row at position `length` sees before itself; none for a group without a window. */
export function windowPages({ windows, pageTokens }: Windows, group: number, length: number): PageRange {
  const window = windows[group];
  if (window === undefined || length === 0) return { from: 0, to: 0 };
  return { from: Math.floor(Math.max(0, length - window) / pageTokens), to: Math.ceil(length / pageTokens) };
}

/** Whether each group with a window still holds what a row at position `length` sees. */
export function holdsWindows({ windows, pageTokens }: Windows, { firstPage }: SequenceState, length: number): boolean {
  return windows.every((window, group) => {
    const held = (firstPage[group] as number) * pageTokens;
    return window === undefined || held === 0 || length - window >= held;
  });
}

/** Gives back the pages of a group that a row at `position`, and all after it, do not see. */
export function releaseBefore(parts: Windows, state: SequenceState, group: number, position: number): void {
  const window = parts.windows[group];
  if (window === undefined) return;
  const first = Math.floor(Math.max(0, position - window) / parts.pageTokens);
  const kept = windowPages(parts, group, state.keptLength);
  for (let page = state.firstPage[group] as number; page < first; page++) {
    if (page < kept.from || page >= kept.to) drop(parts.pages[group] as NumberPool, (state.pages[group] as number[])[page] as number);
    state.firstPage[group] = page + 1;
  }
}

/** Gives back the pages that a sequence holds for its kept windows alone. */
export function dropKeptWindows(parts: Windows, state: SequenceState): void {
  for (const [group, pages] of state.pages.entries()) {
    const { from, to } = windowPages(parts, group, state.keptLength);
    const passed = pages.slice(from, Math.min(to, state.firstPage[group] as number));
    for (const page of passed) drop(parts.pages[group] as NumberPool, page);
  }
  state.keptLength = 0;
}

/** Drops the kept windows of the sequence used longest ago; false where none has any. */
export function dropOldestWindows(parts: PoolParts): boolean {
  let oldest: SequenceState | undefined;
  for (const state of parts.states) if (state.keptLength > 0 && state.lastUse < (oldest?.lastUse ?? Infinity)) oldest = state;
  if (oldest === undefined) return false;
  dropKeptWindows(parts, oldest);
  return true;
}
