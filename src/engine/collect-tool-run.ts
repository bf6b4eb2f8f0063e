/** Reads a run of tools to its end, for callers that do not stream. */
import { checkStream } from './collect.ts';
import type { ToolRunEvent, ToolRunResult } from './tool-api.ts';

/** Reads a run to its end. Rejects as the iteration does. @throws InputError for what is no run */
export async function collectToolRun(run: AsyncIterable<ToolRunEvent>): Promise<ToolRunResult> {
  checkStream(run, 'collectToolRun takes a run of model.runTools');
  for await (const event of run) if (event.type === 'end') return event;
  throw new Error('The run of tools ended without a last event.');
}
