/** Failures as OpenAI's clients read them. */
import { dataEvent } from '../event-stream.ts';
import type { Failure } from '../failure.ts';

export function errorBody({ message, type, param, code }: Failure) {
  return { error: { message, type, param: param ?? null, code: code ?? null } };
}

/** In the middle of a stream: clients throw at `error`, and those that do not know it end at `[DONE]`. */
export function failureEvents(failure: Failure): string {
  return `${dataEvent(errorBody(failure))}data: [DONE]\n\n`;
}
