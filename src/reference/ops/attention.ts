import type { AttentionOp, QueryTemperature } from '../../graph/ops/attention.ts';
import type { KvReader, RunOp } from '../op-run.ts';

/** Heads and widths of an attention, and the factor of its scores. */
export interface AttendShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly scale: number;
  readonly softcap?: number | undefined;
  /** A score of each head that joins the softmax without a value. */
  readonly sinks?: Float32Array | undefined;
}

/** Factor of the query at a position. */
export function temperatureAt(temperature: QueryTemperature | undefined, position: number): number {
  return temperature === undefined ? 1 : 1 + temperature.beta * Math.log(1 + Math.floor(position / temperature.length));
}

/** Positions that a query looks at, both ends included. */
export interface KeyRange {
  readonly first: number;
  readonly last: number;
}

/** What the query at `position` sees of a sequence whose last position is `end`. */
export function keysSeen({ causal, window }: Pick<AttentionOp, 'causal' | 'window'>, position: number, end: number): KeyRange {
  if (!causal && window !== undefined) {
    const side = Math.floor(window / 2);
    return { first: Math.max(0, position - side), last: Math.min(end, position + side) };
  }
  return { first: window === undefined ? 0 : Math.max(0, position - window + 1), last: causal ? position : end };
}

/** One query row [heads * keyDim] over the keys of a range of positions -> [heads * valueDim]. */
export function attendRow(q: Float64Array, { first, last }: KeyRange, read: KvReader, shape: AttendShape): Float64Array {
  const { heads, kvHeads, keyDim, valueDim, scale, softcap, sinks } = shape;
  const y = new Float64Array(heads * valueDim);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const scores = Array.from({ length: last - first + 1 }, (_, at) => {
      const k = read(0, first + at);
      let dot = 0;
      for (let i = 0; i < keyDim; i++) dot += q[head * keyDim + i]! * k[kvHead * keyDim + i]!;
      return softcap === undefined ? dot * scale : softcap * Math.tanh((dot * scale) / softcap);
    });
    const highest = scores.reduce((a, b) => Math.max(a, b), sinks?.[head] ?? -Infinity);
    const weights = scores.map((score) => Math.exp(score - highest));
    const total = weights.reduce((a, b) => a + b, sinks === undefined ? 0 : Math.exp(sinks[head]! - highest));
    weights.forEach((weight, at) => {
      const v = read(1, first + at);
      for (let i = 0; i < valueDim; i++) y[head * valueDim + i]! += (weight / total) * v[kvHead * valueDim + i]!;
    });
  }
  return y;
}

export const runAttention: RunOp<AttentionOp> = (op, [qValue, kValue, vValue], run) => {
  const { heads: kvHeads, keyDim, valueDim } = op.state;
  const [q, k, v] = [run.floats(qValue), run.floats(kValue), run.floats(vValue)];
  const rowOf = (values: Float64Array, row: number, width: number) => values.subarray(row * width, (row + 1) * width);
  const sinks = op.sinks && run.decoded(op.sinks.id);
  const shape = { heads: op.heads, kvHeads, keyDim, valueDim, scale: op.scale, softcap: op.softcap, sinks };
  const out = new Float64Array((q.length / keyDim) * valueDim);
  let firstRow = 0;
  for (const sequence of run.sequences) {
    const at = run.stored(op.state, sequence);
    const { rows } = sequence;
    const start = sequence.start + op.ahead;
    const end = start + rows - 1;
    // All of the step's keys before any query: without causality a row sees those after its own.
    for (let position = start, row = firstRow; position <= end; position++, row++) {
      at(0, position).set(run.asStored(op.state, 0, rowOf(k, row, kvHeads * keyDim)));
      at(1, position).set(run.asStored(op.state, 1, rowOf(v, row, kvHeads * valueDim)));
    }
    for (let position = start, row = firstRow; position <= end; position++, row++) {
      const scaled = { ...shape, scale: op.scale * temperatureAt(op.temperature, position) };
      out.set(attendRow(rowOf(q, row, op.heads * keyDim), keysSeen(op, position, end), at, scaled), row * op.heads * valueDim);
    }
    firstRow += rows;
  }
  return out;
};
