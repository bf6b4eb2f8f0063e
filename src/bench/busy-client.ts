import { startChild } from './child-process.ts';
import type { BusyWork } from './busy-work.ts';

/** Begins work of another process and waits until it is at it. @returns what ends it */
export async function startBusyWork(work: BusyWork, signal: AbortSignal): Promise<{ end(): Promise<void> }> {
  return startChild({ module: 'busy-process', args: [JSON.stringify(work)], title: 'work beside the engine', signal });
}
