/** What the engine's worker does for its page: it loads models, which stay in the worker. */
import { createModel } from '../engine/model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { EngineLoadOptions, WorkerEngine } from './engine-shape.ts';
import { fetchImageDecoder } from './fetch-image-decoder.ts';
import type { ModelInWorker } from './model-shape.ts';
import type { ModelSource } from './open-source.ts';
import { loadFrom } from './worker-load.ts';
import { loadSpeechModel, loadTalkModel, loadVoiceModel } from './worker-speech.ts';

export const workerEngine: WorkerEngine = { loadModel, loadSpeechModel, loadVoiceModel, loadTalkModel };

function loadModel(source: ModelSource, options: EngineLoadOptions): Promise<ModelInWorker> {
  const { device: _device, threads: _threads, kernels: _kernels, cache: _cache, hub: _hub, mmproj: _mmproj, ...own } = options;
  const { imageDecoders, baseUrl: _base, signal, ...settings } = own;
  return loadFrom(source, options, async ({ executor, location, report, keepFiles }) => {
    const checkpoint = await openCheckpoint(location, { signal });
    const imageDecoder = imageDecoders && fetchImageDecoder(imageDecoders);
    const model = await createModel({ ...settings, checkpoint, executor, imageDecoder, signal, onProgress: report });
    // A table that stays in the file.
    if (model.info.readByHost !== undefined) keepFiles();
    return model;
  });
}
