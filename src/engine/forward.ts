/** One pass over a sequence for evaluation: logits and hidden states, no sampling, no state kept. */
import type { Graph } from '../graph/graph.ts';
import { STEP_LOGITS } from '../graph/decoder-steps.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { ForwardOptions, ForwardResult } from './api.ts';
import { yieldToEventLoop } from './event-loop.ts';
import type { ModelCore } from './model-core.ts';
import { checkIds } from './prompt.ts';
import type { Subscription } from './subscription.ts';
import { openSequence } from './open-sequence.ts';
import type { Sequence } from './sequence.ts';

const MOST_RESULT_BYTES = 2 ** 31;

function checkPositions(positions: readonly number[] | undefined, length: number): readonly number[] {
  if (positions === undefined) return Array.from({ length }, (_, position) => position);
  if (!Array.isArray(positions)) throw new InputError(`positions must be an array of integers, found ${describeValue(positions)}.`);
  let last = -1;
  for (const position of positions) {
    if (!(Number.isInteger(position) && position > last && position < length)) {
      const after = last < 0 ? '' : ` after ${last}`;
      throw new InputError(`positions must be ascending integers from 0 to ${length - 1}, found ${String(position)}${after}.`);
    }
    last = position;
  }
  return positions;
}

function tapNames(hidden: readonly number[], graph: Graph): string[] {
  if (!Array.isArray(hidden)) throw new InputError(`hidden must be an array of layers, found ${describeValue(hidden)}.`);
  const layers = [...graph.taps.keys()].filter((name) => name.startsWith('hidden.')).length - 1;
  return hidden.map((layer) => {
    const name = `hidden.${layer}`;
    if (!graph.taps.has(name)) throw new InputError(`hidden must hold integers from 0 to ${layers}, found ${String(layer)}.`);
    return name;
  });
}

function allocateLogits(rows: number, vocabSize: number): Float32Array {
  if (rows * vocabSize * 4 > MOST_RESULT_BYTES) {
    throw new CapacityError(
      `Logits of ${rows} positions by ${vocabSize} tokens take ${Math.ceil((rows * vocabSize * 4) / 2 ** 20)} MiB; at most ` +
        `${MOST_RESULT_BYTES / 2 ** 20} MiB are returned at once. Ask for fewer positions.`,
    );
  }
  return new Float32Array(rows * vocabSize);
}

type TakeLogits = (logits: Float32Array, rows: { readonly first: number; readonly count: number }) => void;

interface Pass {
  readonly core: ModelCore;
  readonly sequence: Sequence;
  readonly subscription: Subscription;
  readonly ids: readonly number[];
  readonly positions: readonly number[];
  readonly taps: readonly string[];
  /** Is given the logits of some of the positions, in order: [rows, vocab], which the next step overwrites. */
  readonly take: TakeLogits;
  /** By tap, [positions, dim]; filled in once the width is known. */
  readonly hidden: Map<string, Float32Array>;
}

/** Copies the rows of a step's taps at the wanted positions behind those already there. */
function keepTaps(
  pass: Pass,
  taps: ReadonlyMap<string, Float32Array>,
  wanted: { start: number; end: number; outputs: readonly number[]; done: number },
) {
  for (const name of pass.taps) {
    const rows = taps.get(name);
    if (rows === undefined) throw new Error(`forward: the executor returned no tap ${name}`);
    const dim = rows.length / (wanted.end - wanted.start);
    let kept = pass.hidden.get(name);
    if (kept === undefined) pass.hidden.set(name, (kept = new Float32Array(pass.positions.length * dim)));
    wanted.outputs.forEach((position, index) => {
      const row = position - wanted.start;
      kept.set(rows.subarray(row * dim, (row + 1) * dim), (wanted.done + index) * dim);
    });
  }
}

interface PassStep {
  readonly start: number;
  readonly end: number;
  readonly outputs: readonly number[];
}

/** Chunk after chunk; or, where all rows see each other, all of them again for each group of wanted logits. */
function* stepsOf({ core, ids, positions, taps }: Pass): Generator<PassStep> {
  const rows = taps.length > 0 && core.causal ? core.maxTapRows : core.maxRows;
  const most = Math.max(1, Math.min(rows, Math.floor(STEP_LOGITS / core.vocabSize)));
  if (!core.causal) {
    for (let done = 0; done === 0 || done < positions.length; done += most) {
      yield { start: 0, end: ids.length, outputs: positions.slice(done, done + most) };
    }
    return;
  }
  let done = 0;
  for (let start = 0; start < ids.length; start += most) {
    const end = Math.min(ids.length, start + most);
    let stop = done;
    while (stop < positions.length && (positions[stop] as number) < end) stop++;
    yield { start, end, outputs: positions.slice(done, stop) };
    done = stop;
  }
}

/** Runs again what has no state any more, where that went to an older call meanwhile. */
async function catchUp({ core, sequence, ids }: Pass, until: number, signal: AbortSignal | undefined): Promise<void> {
  while (sequence.length < until)
    await sequence.extend(ids, { end: Math.min(until, sequence.length + core.maxRows), outputs: [], signal });
}

async function runPass(pass: Pass, { signal, onProgress }: ForwardOptions): Promise<void> {
  const { core, sequence, subscription, ids, taps } = pass;
  let done = 0;
  onProgress?.({ phase: 'prefill', loaded: 0, total: ids.length });
  for (const { start, end, outputs } of stepsOf(pass)) {
    signal?.throwIfAborted();
    await subscription.alone(async () => {
      await catchUp(pass, start, signal);
      if (sequence.length > start) sequence.keepPrefix(ids.slice(0, start));
      const result = await sequence.extend(ids, { end, outputs, taps: taps.length === 0 ? undefined : taps, signal });
      pass.take(result.logits.subarray(0, outputs.length * core.vocabSize), { first: done, count: outputs.length });
      keepTaps(pass, result.taps, { start, end, outputs, done });
    }, signal);
    done += outputs.length;
    onProgress?.({ phase: 'prefill', loaded: end, total: ids.length });
    await yieldToEventLoop();
  }
}

/** The logits after each position of a sequence, as they are made; leaves no state behind. */
export async function forEachLogits(
  core: ModelCore,
  ids: readonly number[],
  options: Pick<ForwardOptions, 'positions' | 'signal' | 'onProgress'>,
  take: (logits: Float32Array, position: number) => void,
): Promise<void> {
  const positions = checkPositions(options.positions, ids.length);
  await withSequence(core, (sequence, subscription) => runPass({
    core, sequence, subscription, ids, positions, taps: [], hidden: new Map(),
    take(logits, { first, count }) {
      const { vocabSize } = core;
      for (let row = 0; row < count; row++) take(logits.subarray(row * vocabSize, (row + 1) * vocabSize), positions[first + row] as number);
    },
  }, options));
}

/** A sequence that shares nothing, freed at the end. */
async function withSequence(core: ModelCore, work: (sequence: Sequence, subscription: Subscription) => Promise<void>): Promise<void> {
  const sequence = openSequence(core, { isPrivate: true });
  const subscription = core.scheduler.subscribe({ sequence });
  try {
    await work(sequence, subscription);
  } finally {
    subscription.leave();
    sequence.close();
  }
}

export async function forwardPass(core: ModelCore, graph: Graph, ids: ArrayLike<number>, options: ForwardOptions): Promise<ForwardResult> {
  core.checkOpen();
  options.signal?.throwIfAborted();
  const checked = checkIds(ids, core);
  const positions = checkPositions(options.positions, checked.length);
  const taps = tapNames(options.hidden ?? [], graph);
  const logits = allocateLogits(positions.length, core.vocabSize);
  const kept = new Map<string, Float32Array>();
  const take: TakeLogits = (rows, { first }) => logits.set(rows, first * core.vocabSize);
  await withSequence(core, (sequence, subscription) =>
    runPass({ core, sequence, subscription, ids: checked, positions, taps, take, hidden: kept }, options));
  return { logits, hidden: new Map((options.hidden ?? []).map((layer) => [layer, kept.get(`hidden.${layer}`) as Float32Array])) };
}
