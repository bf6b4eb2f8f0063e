/** Settings of an engine of which several are tried: the best is quoted, and named beside its figure. */
import type { EngineFacts } from './engine.ts';

interface Tried {
  readonly workload: string;
  readonly engine: { readonly name: string };
  readonly flags: EngineFacts['flags'];
}

export interface SettingName {
  /** For a cell: `b512`, `t1`. */
  readonly short: string;
  /** `batch 512`, `1 thread` */
  readonly words: string;
}

/**
 * @param rows of one table
 * @returns names of what a row was measured with: its batch size where a prompt's length decides, its threads where others were tried too
 */
export function triedSettings(rows: readonly Tried[]): (row: Tried) => readonly SettingName[] {
  const threads = new Map<string, Set<unknown>>();
  for (const { engine, flags } of rows) threads.set(engine.name, (threads.get(engine.name) ?? new Set()).add(flags['threads']));
  return ({ workload, engine, flags: { batchSize: batch, threads: count } }) => [
    ...(count !== undefined && count !== null && (threads.get(engine.name)?.size ?? 0) > 1
      ? [{ short: `t${count}`, words: `${count} ${count === 1 ? 'thread' : 'threads'}` }]
      : []),
    ...((workload === 'prefill' || workload === 'ttft') && batch !== undefined ? [{ short: `b${batch}`, words: `batch ${batch}` }] : []),
  ];
}
