/** How much memory a model needs before it is loaded, by its headers. */
import { openDecoder } from '../models/open-decoder.ts';
import { stateBytes } from '../graph/state-sizes.ts';
import type { CreateModelOptions } from './model.ts';
import { fixedBytes, kvLayoutOf, resolveContextLength, resolveRoom } from './model-room.ts';

export interface MemoryNeeds {
  /** Weights, snapshots, and the state of one answer of the whole context. Work memory comes on top. */
  readonly bytes: number;
  /** Most tokens of prompt and answer together, as it would be loaded. */
  readonly contextLength: number;
  /** The longest context, at most that, of which so many bytes hold one answer; 0: not even the weights fit. */
  contextIn(bytes: number): number;
}

export type MemoryNeedsOptions = Pick<
  CreateModelOptions, 'checkpoint' | 'executor' | 'contextLength' | 'kvType' | 'snapshotBytes' | 'perLayerTable' | 'quantize' | 'signal'
>;

/**
 * Reads headers only, and closes the checkpoint.
 * @throws FormatError and InputError as `createModel`
 */
export async function memoryNeeds({ checkpoint, ...options }: MemoryNeedsOptions): Promise<MemoryNeeds> {
  try {
    const decoder = await openDecoder(checkpoint, {
      signal: options.signal,
      contextLength: (ofModel) => resolveContextLength(options.contextLength, ofModel),
      perLayerTable: options.perLayerTable,
      quantize: options.quantize,
    });
    const { contextLength, kvTypes, maxRows, snapshots } = resolveRoom(decoder, options);
    const bytesOf = (context: number) =>
      fixedBytes(decoder, snapshots) + stateBytes(decoder.model, kvLayoutOf(context, kvTypes), Math.min(maxRows, context));
    return { bytes: bytesOf(contextLength), contextLength, contextIn: (bytes) => longest(contextLength, (one) => bytesOf(one) <= bytes) };
  } finally {
    await checkpoint.close();
  }
}

/** The greatest integer from 1 to `most` that fits, where all below one that does fit too; 0 where none does. */
function longest(most: number, fits: (length: number) => boolean): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
