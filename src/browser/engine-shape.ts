/** What a page asks of the engine's worker. */
import type { CreateModelOptions } from '../engine/model.ts';
import type { ImageDecoderUrls } from './fetch-image-decoder.ts';
import { MODEL_IN_WORKER_SHAPE } from './model-shape.ts';
import type { ModelInWorker } from './model-shape.ts';
import type { ExecutorChoice } from './open-executor.ts';
import type { ModelSource, SourceOptions } from './open-source.ts';
import type { ShapeOf } from './remote/shape.ts';

export interface EngineLoadOptions
  extends
    Omit<CreateModelOptions, 'checkpoint' | 'executor' | 'imageDecoder' | 'chatFiles' | 'spareMemory'>,
    ExecutorChoice,
    SourceOptions {
  readonly imageDecoders?: Omit<ImageDecoderUrls, 'signal'> | undefined;
}

export interface WorkerEngine {
  loadModel(source: ModelSource, options: EngineLoadOptions): Promise<ModelInWorker>;
}

export const ENGINE_SHAPE = { loadModel: { opens: () => MODEL_IN_WORKER_SHAPE } } as const satisfies ShapeOf<WorkerEngine>;
