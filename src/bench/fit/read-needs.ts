/** A model's needs, from its headers. */
import { fixedBytes, kvLayoutOf, resolveContextLength, resolveRoom } from '../../engine/model-room.ts';
import { openCheckpoint } from '../../files/open-checkpoint.ts';
import type { Executor } from '../../graph/executor.ts';
import type { KvChoice } from '../../graph/kv-types.ts';
import { parameterCount } from '../../graph/model-graphs.ts';
import { stateBytes } from '../../graph/state-sizes.ts';
import { openDecoder } from '../../models/open-decoder.ts';
import { locate } from '../../node/open-path.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { ModelNeeds } from './model-fit.ts';

export interface ReadNeedsOptions {
  readonly executor: Executor;
  readonly contextLength?: number | undefined;
  readonly kvType?: KvChoice | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Loads no weights. @throws as `loadModel` for files, models and options */
export async function readNeeds(
  pathOrUrl: string,
  { executor, contextLength, kvType, signal, onProgress }: ReadNeedsOptions,
): Promise<ModelNeeds> {
  const checkpoint = await openCheckpoint(await locate(pathOrUrl, { signal, onProgress }), { signal });
  try {
    const decoder = await openDecoder(checkpoint, { signal, contextLength: (ofModel) => resolveContextLength(contextLength, ofModel) });
    const { kvTypes, maxRows } = resolveRoom(decoder, { executor, contextLength, kvType });
    const { config, model } = decoder;
    return {
      name: checkpoint.name,
      architecture: config.architecture,
      parameters: parameterCount(model),
      contextLength: config.contextLength,
      weightBytes: fixedBytes(decoder, 0),
      stateBytes: (length) => stateBytes(model, kvLayoutOf(length, kvTypes), Math.min(maxRows, length)),
    };
  } finally {
    await checkpoint.close();
  }
}
