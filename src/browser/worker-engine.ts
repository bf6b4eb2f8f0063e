/** What the engine's worker does for its page: it opens a source, picks the device, and loads the model, which stays in the worker. */
import { createModel } from '../engine/model.ts';
import { retryNote } from '../files/http-retry.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { ProgressEvent } from '../tensor/progress.ts';
import { fetchImageDecoder } from './fetch-image-decoder.ts';
import type { ModelInWorker } from './model-shape.ts';
import { openBrowserExecutor } from './open-executor.ts';
import { openSource } from './open-source.ts';
import type { ModelSource } from './open-source.ts';
import type { EngineLoadOptions, WorkerEngine } from './engine-shape.ts';

export const workerEngine: WorkerEngine = { loadModel };

async function loadModel(source: ModelSource, options: EngineLoadOptions): Promise<ModelInWorker> {
  const { device, threads, kernels, imageDecoders, signal, onProgress, ...settings } = options;
  signal?.throwIfAborted();
  const { executor, runsOn } = await openBrowserExecutor({ device, threads, kernels, signal });
  let last: ProgressEvent = { phase: 'download', loaded: 0, total: 0 };
  const report = (event: ProgressEvent) => onProgress?.((last = event));
  const location = await openSource(source, {
    signal,
    onProgress: report,
    onRetry: (retry) => report({ ...last, note: retryNote(retry) }),
  });
  const checkpoint = await openCheckpoint(location, { signal });
  const imageDecoder = imageDecoders && fetchImageDecoder(imageDecoders);
  const model = await createModel({ ...settings, checkpoint, executor, imageDecoder, signal, onProgress: report });
  return Object.defineProperty(model, 'runsOn', { value: runsOn }) as ModelInWorker;
}
