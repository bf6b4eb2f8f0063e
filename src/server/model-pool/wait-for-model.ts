/** A request's wait for its model. */
import type { CancelSignal } from '../../tensor/platform.ts';
import type { ServedModel } from '../api.ts';
import { Failure } from '../failure.ts';
import type { ModelEntry, Waiter } from './model-entry.ts';

export interface WaitOptions {
  readonly signal: CancelSignal;
  readonly waitMs: number;
}

function tooLong({ name }: ModelEntry): Failure {
  return new Failure(`The model ${name} is not loaded yet: it is read, or waits for memory that others use. Ask again later.`, {
    status: 503, code: 'model_loading', param: 'model', headers: { 'retry-after': '5' },
  });
}

/**
 * Resolves when the model is there and its user counted. The load that the last one who waits gives up is given up too, but goes on where
 * it was only the time that was over, since the same request is likely to come again.
 * @throws Failure (503) when the time is over; the signal's reason; what the load failed with
 */
export function waitForModel(entry: ModelEntry, { signal, waitMs }: WaitOptions): Promise<ServedModel> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const waiter: Waiter = {
      grant(model) {
        end();
        resolve(model);
      },
      refuse(error) {
        end();
        reject(error as Error);
      },
    };
    const leave = (error: unknown) => {
      entry.waiters.delete(waiter);
      waiter.refuse(error);
      if (entry.waiters.size === 0 && !entry.isKept) entry.loading?.abort(error);
    };
    const onAbort = () => leave(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (waitMs !== Infinity)
      timer = setTimeout(() => {
        entry.isKept = true;
        leave(tooLong(entry));
      }, waitMs);
    entry.waiters.add(waiter);
  });
}
