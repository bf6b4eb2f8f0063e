/** Ctrl-C and termination as an AbortSignal, so that work stops where it can and temporary files go. */
import { EXIT, Interruption } from './exit-codes.ts';

const CODES = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: 129 } as const;
type StopSignal = keyof typeof CODES;

/** A terminal and `npm start` may both deliver one Ctrl-C; a person's second one comes later than this. */
const SAME_PRESS_MS = 100;
/** Work that has not stopped by then will not. */
const STOP_MS = 5000;

/** Runs `work` with a signal that the first Ctrl-C aborts; the second ends the process at once. */
export async function withInterrupts<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  let firstMs = 0;
  const stop = (name: StopSignal) => {
    if (!controller.signal.aborted) {
      firstMs = performance.now();
      setTimeout(() => process.exit(CODES[name]), STOP_MS).unref();
      return controller.abort(new Interruption(CODES[name]));
    }
    if (performance.now() - firstMs > SAME_PRESS_MS) process.exit(CODES[name]);
  };
  const names = Object.keys(CODES) as StopSignal[];
  const listeners = names.map((name) => [name, () => stop(name)] as const);
  for (const [name, listener] of listeners) process.on(name, listener);
  try {
    return await work(controller.signal);
  } finally {
    for (const [name, listener] of listeners) process.off(name, listener);
  }
}
