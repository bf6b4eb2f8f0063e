import { drop } from './number-pool.ts';
import type { NumberPool } from './number-pool.ts';
import type { PoolParts } from './pool-parts.ts';
import type { SequenceState } from './sequence-state.ts';
import { forgetBlocks } from './shared-prefixes.ts';
import { truncateSlots } from './slot-versions.ts';
import { dropKeptWindows, holdsWindows, windowPages } from './window-pages.ts';

/** Gives back what a sequence holds past `tokens` positions. */
export function truncateState(parts: PoolParts, state: SequenceState, tokens: number): void {
  if (state.keptLength > tokens) dropKeptWindows(parts, state);
  const goesBack = state.keptLength === tokens && !holdsWindows(parts, state, tokens);
  forgetBlocks(parts, state, tokens);
  for (const [group, pages] of state.pages.entries()) {
    const kept = Math.ceil(tokens / parts.pageTokens);
    while (pages.length > kept) {
      const page = pages.pop() as number;
      // Those before the window are not its own any more.
      if (pages.length >= (state.firstPage[group] as number)) drop(parts.pages[group] as NumberPool, page);
    }
    const held = goesBack ? windowPages(parts, group, tokens).from : pages.length;
    state.firstPage[group] = Math.min(state.firstPage[group] as number, held);
  }
  truncateSlots(parts, state, tokens);
}
