import type { Executor, Program } from '../src/graph/executor.ts';
import { DECODER } from '../src/graph/model-graphs.ts';
import { sharing } from './sharing.ts';

/** What a program was asked for since the record was last emptied. */
export interface Record {
  /** Rows that the host gave, of runs and of the first submits of sampling programs. */
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
    const { run, decode } = shared;
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
      ...(decode === undefined
        ? {}
        : {
            decode(asked) {
              record.rows += asked.tokens.length;
              const reserve = (end: number) => {
                record.ends.push(end);
                return asked.reserve(end);
              };
              return decode({ ...asked, reserve });
            },
          }),
    };
  };
  return { executor: { ...executor, load }, record };
}
