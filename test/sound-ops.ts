/** Ops over time on an executor, against what torch computes (scripts/fixtures/sound_ops.py). */
import { readFileSync } from 'node:fs';
import { conv1d, transposedConv1d } from '../src/graph/conv1d.ts';
import type { Executor, GraphRun, WeightSource } from '../src/graph/executor.ts';
import type { GraphBuilder } from '../src/graph/graph-builder.ts';
import { buildModel } from '../src/graph/model-graphs.ts';
import { groupNorm, styledInstanceNorm } from '../src/graph/ops/group-norm.ts';
import { joinColumns } from '../src/graph/ops/join-columns.ts';
import { linear } from '../src/graph/ops/linear.ts';
import { lstm } from '../src/graph/ops/lstm.ts';
import { columns } from '../src/graph/ops/columns.ts';
import { overlappedFrames } from '../src/graph/ops/overlap-add.ts';
import { planeConvolution } from '../src/graph/ops/plane-convolution.ts';
import { distancesOf, relativeAttention } from '../src/graph/ops/relative-attention.ts';
import { snake } from '../src/graph/ops/snake.ts';
import { outputFrames } from '../src/graph/ops/windows.ts';
import type { Value } from '../src/graph/value.ts';
import { fixturesPath } from './fixture-tensors.ts';
import { expectClose } from './relative-error.ts';

interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

type Case = { readonly x: Numbers; readonly y: Numbers; readonly weight?: Numbers; readonly bias?: Numbers } & (
  | {
      readonly kind: 'conv1d';
      readonly taps: number;
      readonly stride: number;
      readonly dilation: number;
      readonly padding: number;
      readonly groups: number;
    }
  | {
      readonly kind: 'transposed';
      readonly taps: number;
      readonly stride: number;
      readonly padding: number;
      readonly after: number;
    }
  | { readonly kind: 'groupNorm'; readonly groups: number; readonly eps: number }
  | {
      readonly kind: 'plane';
      readonly taps: number;
      readonly stride: number;
      readonly padding: number;
      readonly bins: number;
      readonly outBins: number;
    }
  | { readonly kind: 'snake' }
  | { readonly kind: 'joined' }
  | { readonly kind: 'styled'; readonly eps: number; readonly style: Numbers }
  | { readonly kind: 'distances'; readonly heads: number; readonly dim: number; readonly far: Numbers }
  | { readonly kind: 'lstm'; readonly reverse: boolean; readonly input: Numbers }
);

const CASES = JSON.parse(readFileSync(`${fixturesPath}sound-ops.json`, 'utf8')) as Readonly<Record<string, Case>>;

export const SOUND_OP_CASES = Object.keys(CASES);

function weightSource(id: string, { shape, values }: Numbers): WeightSource {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return {
    id, type: 'f32', shape, sizeBytes: bytes.length, origin: id,
    read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  };
}

/** Writes the op of a case; `stateful` is whether a recurrence goes on from run to run. */
function writeOp(g: GraphBuilder, of: Case, x: Value, stateful: boolean): Value {
  const weight = (name: 'weight' | 'bias') => {
    const numbers = of[name];
    return numbers && g.weight(name, numbers.shape);
  };
  switch (of.kind) {
    case 'conv1d': {
      const { taps, stride, dilation, padding, groups } = of;
      const span = { taps, stride, dilation, before: padding };
      const frames = g.derivedDim('frames', ({ rows = 0 }) => outputFrames(rows, { ...span, after: padding }));
      return conv1d(g, 'conv', x, { ...span, groups, frames, weight: weight('weight')!, bias: weight('bias') });
    }
    case 'transposed': {
      const { taps, stride, padding, after } = of;
      const span = { taps, stride, before: padding };
      const frames = g.derivedDim('frames', ({ rows = 0 }) => overlappedFrames(rows, { ...span, after }));
      return transposedConv1d(g, 'conv', x, { ...span, frames, weight: weight('weight')!, bias: weight('bias') });
    }
    case 'groupNorm':
      return groupNorm(g, 'norm', x, { groups: of.groups, eps: of.eps, weight: weight('weight'), bias: weight('bias') });
    case 'plane': {
      const { taps, stride, padding, bins, outBins } = of;
      const frames = (rows: number) => outputFrames(rows, { taps, stride, before: padding, after: padding });
      const cells = g.derivedDim('cells', ({ rows = 0 }) => frames(rows / bins) * outBins);
      const weights = { weight: weight('weight')!, bias: weight('bias') };
      return planeConvolution(g, 'conv', x, { taps, stride, before: padding, bins, outBins, cells, ...weights });
    }
    case 'snake':
      return snake(g, 'snake', x, weight('weight')!);
    case 'joined':
      return joinColumns(g, 'join', x, columns(g, 'rest', x, { start: 1, width: (x.shape[1] as number) - 1 }));
    case 'styled':
      return styledInstanceNorm(g, 'norm', [x, g.input('style', 'f32', of.style.shape)], of.eps);
    case 'distances': {
      const { heads, dim } = of;
      const width = heads * dim;
      const [q, k, v] = [0, 1, 2].map((part) => columns(g, `part${part}`, x, { start: part * width, width })) as [Value, Value, Value];
      const far = g.input('far', 'f32', [g.derivedDim('distances', ({ rows = 0 }) => distancesOf(rows)), width]);
      const biases = { contentBias: weight('weight')!, positionBias: weight('bias')! };
      return relativeAttention(g, 'attend', [q, k, v, far], { heads, headDim: dim, scale: dim ** -0.5, ...biases });
    }
    case 'lstm': {
      const gates = linear(g, 'input', x, g.weight('input', of.input.shape), weight('bias'));
      const hidden = weight('weight')!.shape[1] as number;
      const state = stateful ? g.slotState({ shape: [2, hidden], dtype: 'f32' }) : undefined;
      return lstm(g, 'lstm', gates, { weight: weight('weight')!, reverse: of.reverse, state });
    }
    default:
      throw new Error(`no such op: ${JSON.stringify(of satisfies never)}`);
  }
}

async function programOf(executor: Executor, of: Case, stateful = false) {
  const width = of.x.shape[1] as number;
  const model = buildModel('sound op', (m) => m.graph('op', (g) => {
    g.output('y', writeOp(g, of, g.input('x', 'f32', ['rows', width]), stateful));
  }), {});
  const named = { weight: of.weight, bias: of.bias, input: of.kind === 'lstm' ? of.input : undefined };
  const weights = new Map(Object.entries(named).flatMap(([id, numbers]) => (numbers ? [[id, weightSource(id, numbers)] as const] : [])));
  const kv = { type: 'f16', pageTokens: 16, maxPages: 1 } as const;
  return executor.load({ model, weights, kv, sizes: { rows: 2 * (of.x.shape[0] as number) } });
}

interface RunParts extends Pick<GraphRun, 'sequences'> {
  /** Rows of distances. */
  readonly far?: readonly number[] | undefined;
  readonly style?: readonly number[] | undefined;
}

function runOf(x: readonly number[], rows: number, { sequences, far, style }: RunParts = {}): GraphRun {
  const inputs = { x, ...(far && { far }), ...(style && { style }) };
  return { graph: 'op', dims: { rows }, inputs, wanted: ['y'], ...(sequences && { sequences }) };
}

/** @param tolerance of the largest value */
export async function checkSoundOp(executor: Executor, name: string, tolerance: number): Promise<void> {
  const of = CASES[name] as Case;
  const program = await programOf(executor, of);
  try {
    const rows = of.x.shape[0] as number;
    // More rows before: what they leave in buffers must not count.
    const far = of.kind === 'distances' ? of.far.values : undefined;
    const style = of.kind === 'styled' ? of.style.values : undefined;
    const more = far && [...far, ...far, ...far.slice(0, of.x.shape[1]! / 3)];
    await program.run([runOf([...of.x.values, ...of.x.values], 2 * rows, { far: more, style })]);
    const [values] = await program.run([runOf(of.x.values, rows, { far, style })]);
    expectClose(name, { wanted: of.y.values, found: values!.get('y')! }, tolerance);
  } finally {
    await program.dispose();
  }
}

/** A recurrence in steps, of two sequences, one of which goes on row by row. */
export async function checkRecurrence(executor: Executor, tolerance: number): Promise<void> {
  const of = CASES['a recurrence'] as Case;
  const program = await programOf(executor, of, true);
  try {
    program.ensureSlots(5);
    const [rows, width] = of.x.shape as [number, number];
    const hidden = of.y.shape[1] as number;
    const part = (first: number, end: number) => of.x.values.slice(first * width, end * width);
    // Slot 0 is the empty one. The second sequence has all rows at once, between parts of the first.
    const begun = { rows: 3, start: 0, pages: [], slots: { read: 0, write: 1 } };
    const first = await program.run([runOf(part(0, 3), 3, { sequences: [begun] })]);
    const found = [...first[0]!.get('y')!];
    const both = await program.run([runOf([...part(3, 4), ...of.x.values], 1 + rows, { sequences: [
      { rows: 1, start: 3, pages: [], slots: { read: 1, write: 1 } },
      { rows, start: 0, pages: [], slots: { read: 0, write: 2 } },
    ] })]);
    const second = [...both[0]!.get('y')!];
    found.push(...second.slice(0, hidden));
    const rest = { rows: rows - 4, start: 4, pages: [], slots: { read: 1, write: 3 } };
    const last = await program.run([runOf(part(4, rows), rest.rows, { sequences: [rest] })]);
    found.push(...last[0]!.get('y')!);
    expectClose('in parts', { wanted: of.y.values, found }, tolerance);
    expectClose('beside', { wanted: of.y.values, found: second.slice(hidden) }, tolerance);
    // Both slots hold the same state now.
    const next = await program.run([runOf([...part(0, 1), ...part(0, 1)], 2, { sequences: [3, 2].map((slot) => (
      { rows: 1, start: rows, pages: [], slots: { read: slot, write: slot } }
    )) })]);
    const [a, b] = [0, 1].map((i) => next[0]!.get('y')!.slice(i * hidden, (i + 1) * hidden));
    expectClose('from slot to slot', { wanted: a!, found: b! }, tolerance);
  } finally {
    await program.dispose();
  }
}
