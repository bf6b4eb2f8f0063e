/** How a load of any kind begins in the worker: a device is picked, and a source opened. */
import { retryNote } from '../files/http-retry.ts';
import type { HttpRetry } from '../files/http-retry.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import type { Executor } from '../graph/executor.ts';
import type { OnProgress, ProgressEvent } from '../tensor/progress.ts';
import type { LoadBasics } from './engine-shape.ts';
import type { InWorker } from './model-shape.ts';
import { openBrowserExecutor } from './open-executor.ts';
import { openSource } from './open-source.ts';
import type { ModelSource, SourceOptions } from './open-source.ts';

export interface WorkerLoad {
  readonly executor: Executor;
  readonly location: CheckpointLocation;
  readonly report: OnProgress;
  /** Files of the model are read as long as the worker lives: they stay in the cache until then. */
  keepFiles(): void;
}

/** @param load gives the model, which is then told where it computes */
export async function loadFrom<Model extends object>(
  source: ModelSource,
  options: LoadBasics & Pick<SourceOptions, 'mmproj'>,
  load: (begun: WorkerLoad) => Promise<Model>,
): Promise<InWorker<Model>> {
  const { device, threads, kernels, cache, hub, mmproj, baseUrl, signal, onProgress } = options;
  signal?.throwIfAborted();
  const { executor, runsOn } = await openBrowserExecutor({ device, threads, kernels, signal });
  let last: ProgressEvent = { phase: 'download', loaded: 0, total: 0 };
  const report = (event: ProgressEvent) => onProgress?.((last = event));
  const onRetry = (retry: HttpRetry) => report({ ...last, note: retryNote(retry) });
  const { location, release } = await openSource(source, { cache, hub, mmproj, baseUrl, signal, onProgress: report, onRetry });
  let isKept = false;
  try {
    const model = await load({ executor, location, report, keepFiles: () => (isKept = true) });
    return Object.defineProperty(model, 'runsOn', { value: runsOn }) as InWorker<Model>;
  } catch (error) {
    isKept = false;
    throw error;
  } finally {
    if (!isKept) release();
  }
}
