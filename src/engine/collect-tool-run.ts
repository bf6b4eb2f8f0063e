import type { ToolRunEvent, ToolRunResult } from './tool-api.ts';

/** Reads a run to its end. Rejects as the iteration does. */
export async function collectToolRun(run: AsyncIterable<ToolRunEvent>): Promise<ToolRunResult> {
  for await (const event of run) if (event.type === 'end') return event;
  throw new Error('The run of tools ended without a last event.');
}
