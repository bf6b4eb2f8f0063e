/** One shape of progress event for every long operation. */
export type ProgressPhase = 'download' | 'load' | 'compile' | 'warmup' | 'prefill' | 'convert';

export interface ProgressEvent {
  readonly phase: ProgressPhase;
  /** Units done and in all: bytes for download, load and convert; items for compile and warmup; tokens for prefill. */
  readonly loaded: number;
  readonly total: number;
  /** Why the work stands still for the moment, for people: that a server is asked again in 2 s, and why. */
  readonly note?: string | undefined;
}

export type OnProgress = (event: ProgressEvent) => void;
