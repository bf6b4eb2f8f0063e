/** Whether states may take more memory, where several models have one memory. */
import type { KvLayout } from '../graph/executor.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { stateGroups } from '../graph/state.ts';
import { groupPageBytes, slotBytes } from '../graph/state-sizes.ts';

/** Whether so many more may be made now. */
export interface SpareMemory {
  pages(group: number, more: number): boolean;
  slots(more: number): boolean;
}

/** @param spare bytes that the model may take beyond what it has, as it is now */
export function spareMemoryOf(model: ModelGraphs, kv: KvLayout, spare: () => number): SpareMemory {
  const pageBytes = stateGroups(model.states).map((group) => groupPageBytes(group, kv));
  return {
    pages: (group, more) => more * (pageBytes[group] as number) <= spare(),
    slots: (more) => more * slotBytes(model) <= spare(),
  };
}
