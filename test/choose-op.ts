/** Choices on an executor, of rows of every width of workgroup, against what they are by definition. */
import { expect } from 'vitest';
import type { Executor } from '../src/graph/executor.ts';
import { buildModel } from '../src/graph/model-graphs.ts';
import { choose } from '../src/graph/ops/choose.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { randomSource } from '../src/tensor/codec/random-weights.ts';

/** Each width with a table [width, 1] of which row i is i, so that a choice is seen as what is looked up by it. */
const WIDTHS = [1, 5, 49, 256, 2049, 5000];
const END = 0;

function modelOf(width: number) {
  return buildModel('choices', (m) => {
    m.graph('choose', (g) => {
      const logits = g.input('logits', 'f32', ['rows', width]);
      const settings = g.input('settings', 'f32', ['rows', 3]);
      const chosen = choose(g, 'choose', logits, { settings });
      g.output('chosen', chosen);
      g.output('row', embed(g, 'embed', chosen, g.weight('table', [width, 4])));
    });
    m.graph('after', (g) => {
      const logits = g.input('logits', 'f32', ['rows', width]);
      const settings = g.input('settings', 'f32', ['rows', 3]);
      const before = g.input('before', 'i32', ['rows']);
      g.output('chosen', choose(g, 'choose', logits, { settings, after: { choice: before, end: END } }));
    });
  }, {});
}

function tableOf(width: number) {
  const bytes = new Uint8Array(Float32Array.from({ length: 4 * width }, (_, i) => Math.floor(i / 4)).buffer);
  return {
    id: 'table', type: 'f32' as const, shape: [width, 4], sizeBytes: bytes.length, origin: 'table',
    read: async (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
  };
}

interface Settings {
  readonly temperature: number;
  readonly topK: number;
  readonly random: number;
}

/** The index by the definition, or undefined where the random number lies within rounding of a border. */
function wantedOf(logits: Float32Array, { temperature, topK, random }: Settings): number | undefined {
  const greatest = Math.max(...logits);
  if (temperature === 0) return logits.indexOf(greatest);
  const sorted = [...logits].sort((a, b) => b - a);
  const least = topK > 0 && topK < logits.length ? sorted[topK - 1]! : -Infinity;
  const shares = [...logits].map((value) => (value >= least ? Math.exp((value - greatest) / temperature) : 0));
  const total = shares.reduce((sum, share) => sum + share, 0);
  let sum = 0;
  for (const [i, share] of shares.entries()) {
    sum += share / total;
    if (Math.abs(sum - random) < 1e-4) return undefined;
    if (sum > random) return i;
  }
  return undefined;
}

function rowsOf(width: number, seed: number) {
  const random = randomSource(seed);
  const settings: Settings[] = [
    { temperature: 0, topK: 4, random: 0.5 },
    ...[1, 4, 64, 0].flatMap((topK) => [0.7, 1.3].flatMap((temperature) => (
      Array.from({ length: 3 }, () => ({ temperature, topK, random: random() }))
    ))),
    { temperature: 1, topK: 3, random: 0 },
  ];
  // Few different values, so that some are equal to the k-th greatest.
  const logits = settings.map((_, row) => Float32Array.from({ length: width }, () => (
    row % 2 === 0 ? (random() - 0.5) * 12 : Math.round((random() - 0.5) * 10)
  )));
  return { settings, logits };
}

export const CHOICE_WIDTHS = WIDTHS;

export async function checkChoices(executor: Executor, width: number): Promise<void> {
  const { settings, logits } = rowsOf(width, width);
  const rows = settings.length;
  const program = await executor.load({
    model: modelOf(width), weights: new Map([['table', tableOf(width)]]), kv: { type: 'f32', pageTokens: 16, maxPages: 1 }, sizes: { rows },
  });
  try {
    const inputs = {
      logits: logits.flatMap((row) => [...row]),
      settings: settings.flatMap(({ temperature, topK, random }) => [temperature, topK, random]),
    };
    const before = { graph: 'choose', output: 'chosen' };
    const [first, second] = await program.run([
      { graph: 'choose', dims: { rows }, inputs, wanted: ['chosen', 'row'] },
      { graph: 'after', dims: { rows }, inputs: { ...inputs, before }, wanted: ['chosen'] },
    ]);
    const chosen = [...first!.get('chosen')!];
    let checked = 0;
    for (const [row, own] of settings.entries()) {
      const wanted = wantedOf(logits[row]!, own);
      if (wanted === undefined) continue;
      checked++;
      expect(chosen[row], `row ${row} ${JSON.stringify(own)}`).toBe(wanted);
    }
    expect(checked).toBeGreaterThan(rows / 2);
    // What an op makes of indices, and what another graph does.
    expect([...first!.get('row')!]).toEqual(chosen.flatMap((index) => [index, index, index, index]));
    expect([...second!.get('chosen')!]).toEqual(chosen);
    await checkEnds(program, { width, rows, inputs });
  } finally {
    await program.dispose();
  }
}

interface Ends {
  readonly width: number;
  readonly rows: number;
  readonly inputs: Readonly<Record<'logits' | 'settings', readonly number[]>>;
}

/** Rows whose earlier choice is the end have it again; NaN is never chosen beside a number. */
async function checkEnds(program: Awaited<ReturnType<Executor['load']>>, { width, rows, inputs }: Ends): Promise<void> {
  const before = Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? END : 1));
  // Of an odd row the second value is the greatest: no row chooses the end by itself.
  const logits = inputs.logits.map((value, i) => (i % width === 1 ? 100 : i % width === 2 ? NaN : Math.min(value, 99)));
  const settings = Array.from({ length: rows }, (_, row) => [row % 4 === 3 ? 1 : 0, 2, 0.5]).flat();
  const [made] = await program.run([{ graph: 'after', dims: { rows }, inputs: { logits, settings, before }, wanted: ['chosen'] }]);
  const other = width === 1 ? 0 : 1;
  expect([...made!.get('chosen')!]).toEqual(before.map((index) => (index === END ? END : other)));
}
