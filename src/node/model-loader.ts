/** A model that somebody else loads when it is needed: `createServer` takes these beside loaded ones. */
import { memoryNeeds } from '../engine/memory-needs.ts';
import type { MemoryNeeds } from '../engine/memory-needs.ts';
import type { Model } from '../engine/api.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { loadModel, openExecutor } from './load-model.ts';
import type { LoadModelOptions } from './load-model.ts';
import { locate } from './open-path.ts';

/** What is said each time it is loaded. */
export interface ModelLoadOptions {
  readonly signal?: CancelSignal | undefined;
  readonly spareMemory?: (() => number) | undefined;
}

export interface ModelLoader {
  /** As `loadModel` with the loader's own options. */
  load(options?: ModelLoadOptions): Promise<Model>;
  /** What it takes at least, by its headers. */
  memoryNeeds(options?: { readonly signal?: CancelSignal | undefined }): Promise<MemoryNeeds>;
}

/** @param options as of `loadModel`; nothing is read before it is asked for */
export function modelLoader(pathOrUrl: string, options: Omit<LoadModelOptions, 'signal' | 'spareMemory'> = {}): ModelLoader {
  const { device, threads, contextLength, kvType, snapshotBytes, perLayerTable, quantize } = options;
  return {
    load: ({ signal, spareMemory } = {}) => loadModel(pathOrUrl, { ...options, signal, spareMemory }),
    async memoryNeeds({ signal } = {}) {
      const executor = await openExecutor({ device, threads });
      const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal }), { signal });
      return memoryNeeds({ checkpoint, executor, contextLength, kvType, snapshotBytes, perLayerTable, quantize, signal });
    },
  };
}
