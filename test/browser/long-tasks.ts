/** Tasks that keep a page's own thread busy, by the time of the processor that they take: a machine that stands still makes none long. */
import type { Browser } from './chromium.ts';

/** As the browser's own word for a long task has it. */
const LONG_MS = 50;
/** Of the page's, where the work begins and where it ends (in-page.mjs). */
const MARK = 'watched';

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds; `tdur`: of the thread's processor time. */
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
}

/** @param run calls a function of a page that marks where its work begins and ends, once */
export async function withLongTasks<Found>(browser: Browser, run: () => Promise<Found>): Promise<Found & { readonly longTasks: number[] }> {
  const traced: any = browser;
  await traced.startTracing(undefined, { categories: ['toplevel', 'blink.user_timing'] });
  let trace: Buffer | undefined;
  let found: Found;
  try {
    found = await run();
  } finally {
    trace = await traced.stopTracing();
  }
  return { ...found, longTasks: longTasksOf(JSON.parse(trace!.toString()).traceEvents) };
}

/** Milliseconds of those between the marks. */
function longTasksOf(events: readonly TraceEvent[]): number[] {
  const [begin, end, ...more] = events.filter(({ name }) => name === MARK).toSorted((a, b) => a.ts - b.ts);
  if (begin === undefined || end === undefined || more.length > 0) throw new Error('a page marks once where its work begins and ends');
  const tasks = events.filter(
    ({ ph, pid, tid, ts, dur = 0 }) => ph === 'X' && pid === begin.pid && tid === begin.tid && ts + dur > begin.ts && ts < end.ts,
  );
  if (!tasks.some(({ tdur = 0 }) => tdur > 0)) throw new Error('the browser tells no processor time of tasks');
  return tasks.filter(({ tdur = 0 }) => tdur > 1000 * LONG_MS).map(({ tdur = 0 }) => Math.round(tdur / 1000));
}
