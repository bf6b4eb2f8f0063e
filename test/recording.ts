import type { Executor, Program } from '../src/graph/executor.ts';
import { DECODER } from '../src/graph/model-graphs.ts';
import { sharing } from './sharing.ts';

/** What a program was asked for since the record was last emptied. */
export interface Record {
  /** Rows whose tokens the host gave. */
  rows: number;
  /** Positions where submits ended, each of which has a version of the state. */
  ends: number[];
  /** [vocab], of the last run with logits. */
  logits: Float32Array;
}

/** Loads by handing out `program`, as {@link sharing} does, and writes down what is asked of it. */
export function recording(program: Program, executor: Executor): { readonly executor: Executor; readonly record: Record } {
  const record: Record = { rows: 0, ends: [], logits: new Float32Array(0) };
  const load: Executor['load'] = async (request) => {
    const shared = await sharing(program, executor).load(request);
    const { run, chooser } = shared;
    return {
      ...shared,
      async run(runs) {
        const results = await run(runs);
        for (const { rows, start } of runs.flatMap(({ sequences = [] }) => sequences)) {
          record.rows += rows;
          record.ends.push(start + rows);
        }
        const logits = results.at(-1)?.get(DECODER.logits);
        if (logits !== undefined && logits.length > 0) record.logits = logits.slice();
        return results;
      },
      chooser: chooser && {
        mostSequences: chooser.mostSequences, mostSteps: chooser.mostSteps, followsGrammars: chooser.followsGrammars,
        choosesLikeliestOnly: chooser.choosesLikeliestOnly, sharesCores: chooser.sharesCores,
        open: (choice) => chooser.open(choice),
        close: (choice) => chooser.close(choice),
        prepare: (batch) => chooser.prepare(batch),
        async submit(batch) {
          for (const { tokens, start } of batch.sequences) {
            record.rows += tokens.length;
            record.ends.push(start + Math.max(1, tokens.length) + batch.steps - 1);
          }
          const { results, choose } = await chooser.submit(batch);
          return {
            results: results.then((chosen) => {
              for (const { logits } of chosen) if (logits !== undefined) record.logits = logits;
              return chosen;
            }),
            choose,
          };
        },
      },
    };
  };
  return { executor: { ...executor, load }, record };
}
