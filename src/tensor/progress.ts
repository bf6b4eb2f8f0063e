/** What every long operation takes, and one shape of event for the progress of each. */
import { InputError } from './errors.ts';
import { describeValue } from './option-names.ts';
import type { CancelSignal } from './platform.ts';

export type ProgressPhase = 'download' | 'load' | 'compile' | 'warmup' | 'prefill' | 'convert' | 'transcribe' | 'speak';

export interface ProgressEvent {
  readonly phase: ProgressPhase;
  /**
   * Units done and in all: bytes for download, load and convert; items for compile and warmup; tokens for prefill; seconds of sound for
   * transcribe, 0 in all where nobody knows; characters of the text for speak.
   */
  readonly loaded: number;
  readonly total: number;
  /** Tokens of an answer's prompt whose state was there already; `total` leaves them out. Prefill only. */
  readonly cached?: number | undefined;
  /** Why the work stands still for the moment, for people: that a server is asked again in 2 s, and why. */
  readonly note?: string | undefined;
}

export type OnProgress = (event: ProgressEvent) => void;

/** What every long operation takes. */
interface OperationOptions {
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: ((...event: never) => void) | undefined;
}

/** @throws InputError for a signal that cannot abort and a listener that cannot be called, which would fail later and elsewhere */
export function checkOperation({ signal, onProgress }: OperationOptions): void {
  if (
    signal !== undefined &&
    !(typeof signal === 'object' && signal !== null && 'aborted' in signal && typeof signal.addEventListener === 'function')
  ) {
    throw new InputError(`signal must be an AbortSignal, found ${describeValue(signal)}.`);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new InputError(`onProgress must be a function, found ${describeValue(onProgress)}.`);
}
