/** Places of states for tests that hand out pages by hand: every group of a model has the same page numbers. */
import type { Program } from '../src/graph/executor.ts';
import { stateGroups } from '../src/graph/state.ts';

/** More than any model of a test has. */
const MOST_GROUPS = 4;

export function inEveryGroup(pages: readonly number[]): readonly (readonly number[])[] {
  return Array.from({ length: MOST_GROUPS }, () => pages);
}

export function ensureAllPages(program: Program, count: number): void {
  for (const group of stateGroups(program.model.states).keys()) program.ensurePages(group, count);
}
