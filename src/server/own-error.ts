/** What ended the work of a call. */
import type { Call } from './call.ts';
import { Failure } from './failure.ts';
import type { Stopped } from './failure.ts';

/** One of the engine's own errors that is the call's: its time is over, or it was stopped. */
export function ownError(error: unknown, call: Call): unknown {
  if (call.signal.aborted) return call.signal.reason as Stopped;
  if (call.remainingMs() > 1) return error;
  return new Failure(`The request took longer than ${call.state.limits.requestMs} ms, the most that this server gives.`, {
    status: 504, code: 'timeout', headers: { 'x-should-retry': 'false' },
  });
}
