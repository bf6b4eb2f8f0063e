/** What ended the work of a call. */
import { InputError } from '../tensor/errors.ts';
import type { Call } from './call.ts';
import { Failure, invalid } from './failure.ts';
import type { Stopped } from './failure.ts';

/** Which parameter of a call has the schema of its answer: each form names it differently. */
function formatParameter({ parameters }: Call): string {
  if (Object.hasOwn(parameters, 'response_format')) return 'response_format';
  return Object.hasOwn(parameters, 'text') ? 'text.format' : 'format';
}

/** One of the engine's own errors that is the call's: its time is over, or it was stopped. */
export function ownError(error: unknown, call: Call): unknown {
  if (call.signal.aborted) return call.signal.reason as Stopped;
  if (error instanceof InputError && error.message.startsWith('The schema at '))
    return invalid(error.message, { param: formatParameter(call), code: 'invalid_value' });
  if (call.remainingMs() > 1) return error;
  return new Failure(`The request took longer than ${call.state.limits.requestMs} ms, the most that this server gives.`, {
    status: 504, code: 'timeout', headers: { 'x-should-retry': 'false' },
  });
}
