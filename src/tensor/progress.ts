/** One shape of progress event for every long operation. */
export type ProgressPhase = 'download' | 'load' | 'compile' | 'warmup' | 'prefill' | 'convert';

export interface ProgressEvent {
  readonly phase: ProgressPhase;
  /** Units done and in all: bytes for download, load and convert; items for compile and warmup; tokens for prefill. */
  readonly loaded: number;
  readonly total: number;
}

export type OnProgress = (event: ProgressEvent) => void;
