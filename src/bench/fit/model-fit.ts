/** What a model takes of a machine's memory, and what fits. Pure reckoning over {@link ModelNeeds}. */
import { RUNTIME_BYTES } from '../../engine/fitting-type.ts';

export interface ModelNeeds {
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  /** The most positions that the model was made for. */
  readonly contextLength: number;
  /** All weights, as the device holds them. */
  readonly weightBytes: number;
  /** Keys, values and slots of one conversation of so many positions, work memory for its steps included. */
  stateBytes(contextLength: number): number;
}

export interface MachineRoom {
  /** All memory; undefined where nobody says how much there is (a GPU with memory of its own). */
  readonly memoryBytes: number | undefined;
  /** What models may take of it; undefined: as much as the device gives. */
  readonly budgetBytes: number | undefined;
  /** Why that much. */
  readonly reason: string;
}

/** A row of the table: one length of context. */
export interface FitRow {
  readonly contextLength: number;
  readonly stateBytes: number;
  /** Weights, one conversation and the runtime. */
  readonly totalBytes: number;
  /** Undefined where nobody knows the memory. */
  readonly fits: boolean | undefined;
  /** Conversations of that length at a time. */
  readonly streams: number | undefined;
}

const LENGTHS = [2048, 8192, 32_768, 131_072];

/** At the lengths that people ask for, and at `wanted`. */
export function fitRows(needs: ModelNeeds, { budgetBytes }: MachineRoom, wanted?: number): readonly FitRow[] {
  const lengths = new Set([
    ...LENGTHS.filter((length) => length < needs.contextLength),
    needs.contextLength,
    ...(wanted === undefined ? [] : [wanted]),
  ]);
  return [...lengths].toSorted((a, b) => a - b).map((contextLength) => fitRow(needs, budgetBytes, contextLength));
}

function fitRow(needs: ModelNeeds, budgetBytes: number | undefined, contextLength: number): FitRow {
  const stateBytes = needs.stateBytes(contextLength);
  const fixedBytes = needs.weightBytes + RUNTIME_BYTES;
  const totalBytes = fixedBytes + stateBytes;
  const room = budgetBytes === undefined ? undefined : budgetBytes - fixedBytes;
  const streams = room === undefined ? undefined : Math.max(0, Math.floor(room / stateBytes));
  return { contextLength, stateBytes, totalBytes, fits: streams === undefined ? undefined : streams > 0, streams };
}

/** The longest context of one conversation that fits; 0 where not even the weights do, undefined where nobody knows the memory. */
export function longestContext(needs: ModelNeeds, { budgetBytes }: MachineRoom): number | undefined {
  if (budgetBytes === undefined) return undefined;
  let [low, high] = [0, needs.contextLength];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fitRow(needs, budgetBytes, middle).fits === true) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Bits of a weight that would fit beside a conversation of `contextLength`; undefined where nobody knows the memory. */
export function bitsThatFit(needs: ModelNeeds, { budgetBytes }: MachineRoom, contextLength: number): number | undefined {
  if (budgetBytes === undefined) return undefined;
  const room = budgetBytes - RUNTIME_BYTES - needs.stateBytes(contextLength);
  return Math.max(0, (8 * room) / needs.parameters);
}
