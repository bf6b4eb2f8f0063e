/** Failures as Anthropic's clients read them. */
import type { Failure } from '../failure.ts';

function typeOf({ status }: Failure): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 429:
      return 'rate_limit_error';
    case 413:
      return 'request_too_large';
    case 503:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}

export function errorBody(failure: Failure) {
  return { type: 'error', error: { type: typeOf(failure), message: failure.message } };
}

export function eventOf(data: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

export function failureEvents(failure: Failure): string {
  return eventOf(errorBody(failure));
}
