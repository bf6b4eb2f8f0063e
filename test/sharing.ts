import type { Executor, Program } from '../src/graph/executor.ts';

/** Loads by handing out `program`, which outlives its models: pages and sequences are the models' own. */
export function sharing(program: Program, executor: Executor): Executor {
  return {
    ...executor,
    load: async () => ({
      model: program.model,
      limits: (graph, withTaps) => program.limits(graph, withTaps),
      ensurePages: (group, count) => program.ensurePages(group, count),
      ensureSlots: (count) => program.ensureSlots(count),
      snapshotSlot: (slot) => program.snapshotSlot(slot),
      restoreSlot: (slot, snapshot) => program.restoreSlot(slot, snapshot),
      run: (runs) => program.run(runs),
      chooser: program.chooser,
      get memory() {
        return program.memory;
      },
      printPlan: () => program.printPlan(),
      dispose: async () => {},
    }),
  };
}
