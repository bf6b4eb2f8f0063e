/** Failures as Ollama's clients read them. */
import type { Failure } from '../failure.ts';

export function errorBody({ message }: Failure) {
  return { error: message };
}

/** A line of a stream. */
export function lineOf(data: object): string {
  return `${JSON.stringify(data)}\n`;
}

export function failureEvents(failure: Failure): string {
  return lineOf(errorBody(failure));
}
