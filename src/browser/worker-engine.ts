/** What the engine's worker does for its page: it opens a source, picks the device, and loads the model, which stays in the worker. */
import { createModel } from '../engine/model.ts';
import { retryNote } from '../files/http-retry.ts';
import type { HttpRetry } from '../files/http-retry.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { ProgressEvent } from '../tensor/progress.ts';
import type { EngineLoadOptions, WorkerEngine } from './engine-shape.ts';
import { fetchImageDecoder } from './fetch-image-decoder.ts';
import type { ModelInWorker } from './model-shape.ts';
import { openBrowserExecutor } from './open-executor.ts';
import { openSource } from './open-source.ts';
import type { ModelSource } from './open-source.ts';

export const workerEngine: WorkerEngine = { loadModel };

async function loadModel(source: ModelSource, options: EngineLoadOptions): Promise<ModelInWorker> {
  const { device, threads, kernels, imageDecoders, cache, hub, mmproj, baseUrl, signal, onProgress, ...settings } = options;
  signal?.throwIfAborted();
  const { executor, runsOn } = await openBrowserExecutor({ device, threads, kernels, signal });
  let last: ProgressEvent = { phase: 'download', loaded: 0, total: 0 };
  const report = (event: ProgressEvent) => onProgress?.((last = event));
  const onRetry = (retry: HttpRetry) => report({ ...last, note: retryNote(retry) });
  const { location, release } = await openSource(source, { cache, hub, mmproj, baseUrl, signal, onProgress: report, onRetry });
  let isRead = false;
  try {
    const checkpoint = await openCheckpoint(location, { signal });
    const imageDecoder = imageDecoders && fetchImageDecoder(imageDecoders);
    const model = await createModel({ ...settings, checkpoint, executor, imageDecoder, signal, onProgress: report });
    isRead = model.info.readByHost !== undefined;
    return Object.defineProperty(model, 'runsOn', { value: runsOn }) as ModelInWorker;
  } finally {
    // A table that stays in the file is read as long as the worker lives.
    if (!isRead) release();
  }
}
