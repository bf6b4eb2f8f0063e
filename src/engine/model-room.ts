/** How much of everything a model is loaded with: positions, types of keys and values, snapshots, sequences. */
import type { Executor, KvLayout } from '../graph/executor.ts';
import { isCausal } from '../graph/graph.ts';
import type { Graph } from '../graph/graph.ts';
import { parseKvTypes } from '../graph/kv-types.ts';
import type { KvChoice, KvTypes } from '../graph/kv-types.ts';
import { parameterCount, textGraphOf } from '../graph/model-graphs.ts';
import { multiplyAddsOf } from '../graph/multiply-adds.ts';
import { mostSnapshots, sequencesIn, slotBytes, stateBytes } from '../graph/state-sizes.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { checkInteger, describeNumber } from '../tensor/option-names.ts';
import { isQuantized } from '../tensor/tensor-type.ts';
import { fittingAdvice } from './fitting-type.ts';
import type { RefusedModel } from './fitting-type.ts';
import { pagesFor } from './model-core.ts';
import { sourcesOf } from './model-parts.ts';

const DEFAULT_CONTEXT_LENGTH = 8192;
const DEFAULT_SNAPSHOT_BYTES = 512e6;
const PAGE_TOKENS = 64;
/** Most tokens of one prefill step where the device has no number of its own: enough to reuse weights well. */
const PREFILL_ROWS = 256;

type ChunkBounds = Pick<Executor, 'prefillRows' | 'chunkMultiplyAdds'>;

/** @throws InputError for a length that the model was not made for */
export function resolveContextLength(wanted: number | undefined, ofModel: number): number {
  if (wanted === undefined) return Math.min(ofModel, DEFAULT_CONTEXT_LENGTH);
  if (Number.isSafeInteger(wanted) && wanted >= 1 && wanted <= ofModel) return wanted;
  throw new InputError(`contextLength must be an integer from 1 to the model's ${ofModel}, found ${describeNumber(wanted)}.`);
}

/** @throws InputError for an unknown type */
export function resolveKvTypes(wanted: KvChoice | undefined, decoder: DecoderModel): KvTypes {
  if (wanted !== undefined) return parseKvTypes(wanted);
  return { type: sourcesOf(decoder).some(({ type }) => isQuantized(type)) ? 'f16' : 'f32' };
}

/** @returns how many snapshots there may be @throws InputError for what is no number of bytes, and for one that holds no snapshot */
function resolveSnapshots(wanted: number | undefined, { model }: Pick<DecoderModel, 'model'>): number {
  if (wanted === undefined) return mostSnapshots(model, DEFAULT_SNAPSHOT_BYTES);
  checkInteger('snapshotBytes', wanted, { min: 0 });
  if (wanted > 0 && wanted < slotBytes(model))
    throw new InputError(
      `snapshotBytes ${wanted} holds no snapshot: one of this model (${model.name}) takes ${slotBytes(model)} bytes. Pass as many or ` +
        'more, or 0 for none.',
    );
  return mostSnapshots(model, wanted);
}

/** Products of fewer rows on a large device read weights for too little. */
const LEAST_PREFILL_ROWS = 64;

/** Most rows of a step over a prompt: what suits the device, halved until a chunk of this model is no longer than it says. */
export function prefillRowsOf(graph: Graph, { prefillRows = PREFILL_ROWS, chunkMultiplyAdds = Infinity }: ChunkBounds): number {
  const { row } = multiplyAddsOf(graph);
  let rows = prefillRows;
  while (rows / 2 >= LEAST_PREFILL_ROWS && rows * row > chunkMultiplyAdds) rows /= 2;
  return rows;
}

export interface ModelRoom {
  readonly contextLength: number;
  readonly kvTypes: KvTypes;
  /** Rows of a step see those before them alone. */
  readonly causal: boolean;
  /** Most rows of a step. */
  readonly maxRows: number;
  /** Most snapshots. */
  readonly snapshots: number;
}

export interface RoomOptions {
  readonly executor: ChunkBounds;
  readonly contextLength?: number | undefined;
  readonly kvType?: KvChoice | undefined;
  readonly snapshotBytes?: number | undefined;
}

/** @throws InputError for what the model, or no model, has */
export function resolveRoom(decoder: DecoderModel, { executor, ...options }: RoomOptions): ModelRoom {
  const contextLength = resolveContextLength(options.contextLength, decoder.config.contextLength);
  const graph = textGraphOf(decoder.model);
  const causal = isCausal(graph);
  return {
    contextLength,
    kvTypes: resolveKvTypes(options.kvType, decoder),
    causal,
    maxRows: causal ? Math.min(prefillRowsOf(graph, executor), contextLength) : contextLength,
    snapshots: resolveSnapshots(options.snapshotBytes, decoder),
  };
}

/** What does not grow: weights and snapshots. */
export function fixedBytes({ model, weights }: DecoderModel, snapshots: number): number {
  return [...weights.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) + snapshots * slotBytes(model);
}

interface StateRoom {
  readonly decoder: DecoderModel;
  readonly kv: KvLayout;
  readonly rows: number;
  readonly snapshots: number;
  /** Calls that run at a time, for no more of which there need be memory. */
  readonly maxConcurrent: number;
}

/**
 * How many sequences of the whole context there is to be memory for.
 * @throws InputError for what is no number of bytes, CapacityError for fewer than the weights and one sequence take
 */
export function resolveSequences(wanted: number | undefined, ofDevice: number | undefined, room: StateRoom): number {
  checkInteger('memoryBudget', wanted, { min: 1 });
  const bytes = wanted ?? ofDevice;
  const { decoder, kv, rows, maxConcurrent } = room;
  const { model } = decoder;
  if (bytes === undefined) return maxConcurrent;
  const fixed = fixedBytes(decoder, room.snapshots);
  const sequences = sequencesIn(bytes - fixed, { model, kv, rows, most: maxConcurrent });
  if (sequences > 0 || wanted === undefined) return Math.max(1, sequences);
  const needed = fixed + stateBytes(model, kv, rows);
  throw new CapacityError(
    `memoryBudget ${wanted} is too small: weights and snapshots take ${fixed} bytes, and with the state of one sequence of ` +
      `${kv.maxPages * kv.pageTokens} tokens it is ${needed}. Pass as many or more, or a smaller contextLength.` +
      fittingAdvice(refusedModel(room), wanted),
  );
}

/** What an error says of a model that does not fit. */
export function refusedModel({ decoder, kv, rows, snapshots }: Omit<StateRoom, 'maxConcurrent'>): RefusedModel {
  const [fixed, weightBytes] = [fixedBytes(decoder, snapshots), fixedBytes(decoder, 0)];
  return {
    parameters: parameterCount(decoder.model),
    weightBytes,
    otherBytes: fixed - weightBytes + stateBytes(decoder.model, kv, rows),
    contextLength: kv.maxPages * kv.pageTokens,
  };
}

/** Pages for a context, as every loaded model has them. */
export function kvLayoutOf(contextLength: number, types: KvTypes): KvLayout {
  return { ...types, pageTokens: PAGE_TOKENS, maxPages: pagesFor(contextLength, PAGE_TOKENS) };
}
