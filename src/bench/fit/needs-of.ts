/** A model's needs, from its graphs. */
import { fixedBytes, kvLayoutOf, resolveRoom } from '../../engine/model-room.ts';
import type { Executor } from '../../graph/executor.ts';
import type { KvChoice } from '../../graph/kv-types.ts';
import { parameterCount } from '../../graph/model-graphs.ts';
import { stateBytes } from '../../graph/state-sizes.ts';
import type { DecoderModel } from '../../models/open-decoder.ts';
import type { ModelNeeds } from './model-fit.ts';

export interface NeedsOptions {
  /** Of the model, for people. */
  readonly name: string;
  readonly executor: Executor;
  readonly contextLength?: number | undefined;
  readonly kvType?: KvChoice | undefined;
}

/** @throws as `loadModel` for options that cannot be meant */
export function needsOf(decoder: DecoderModel, { name, executor, contextLength, kvType }: NeedsOptions): ModelNeeds {
  const { kvTypes, maxRows } = resolveRoom(decoder, { executor, contextLength, kvType });
  const { config, model } = decoder;
  return {
    name,
    architecture: config.architecture,
    parameters: parameterCount(model),
    contextLength: config.contextLength,
    weightBytes: fixedBytes(decoder, 0),
    stateBytes: (length) => stateBytes(model, kvLayoutOf(length, kvTypes), Math.min(maxRows, length)),
  };
}
