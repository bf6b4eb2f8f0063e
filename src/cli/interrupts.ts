/** Ctrl-C and termination as an AbortSignal, so that work stops where it can and temporary files go. */
import { EXIT, Interruption } from './exit-codes.ts';

const CODES = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: 129, SIGQUIT: 131 } as const;
type StopSignal = keyof typeof CODES;

/** A terminal and `npm start` may both deliver one Ctrl-C; a person's second one comes later than this. */
const SAME_PRESS_MS = 100;
/** Work that has not stopped by then will not. */
const STOP_MS = 5000;

export interface Interrupts {
  /** Aborts when the work shall end. */
  readonly signal: AbortSignal;
  /** While there is a listener, Ctrl-C (SIGINT) is for it and does not end the work. */
  onInterrupt(listener: (() => void) | undefined): void;
}

export interface InterruptOptions {
  /** How long the work may take to stop; default 5,000. */
  readonly stopMs?: number | undefined;
}

/** Runs `work` with a signal that the first Ctrl-C aborts; the second ends the process at once. */
export async function withInterrupts<Result>(
  work: (signal: AbortSignal, interrupts: Interrupts) => Promise<Result>,
  { stopMs = STOP_MS }: InterruptOptions = {},
): Promise<Result> {
  const controller = new AbortController();
  const { signal } = controller;
  let last: { readonly name: StopSignal; readonly atMs: number } | undefined;
  let listener: (() => void) | undefined;
  const stop = (name: StopSignal) => {
    const atMs = performance.now();
    const isSamePress = last?.name === name && atMs - last.atMs < SAME_PRESS_MS;
    last = { name, atMs };
    if (isSamePress) return;
    if (name === 'SIGINT' && listener !== undefined) return listener();
    if (signal.aborted) process.exit(CODES[name]);
    setTimeout(() => process.exit(CODES[name]), stopMs).unref();
    controller.abort(new Interruption(CODES[name]));
  };
  // Windows has no SIGQUIT to listen to.
  const names = (Object.keys(CODES) as StopSignal[]).filter((name) => name !== 'SIGQUIT' || process.platform !== 'win32');
  const listeners = names.map((name) => [name, () => stop(name)] as const);
  for (const [name, onSignal] of listeners) process.on(name, onSignal);
  try {
    return await work(signal, { signal, onInterrupt: (wanted) => void (listener = wanted) });
  } finally {
    for (const [name, onSignal] of listeners) process.off(name, onSignal);
  }
}
