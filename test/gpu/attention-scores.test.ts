/** What a graph may say of its attention beside heads and scale, fused as the planner does it, against the reference. */
import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import type { StepBatch } from '../../src/graph/decoder-steps.ts';
import { buildGraph } from '../../src/graph/graph-builder.ts';
import type { GraphBuilder } from '../../src/graph/graph-builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { add } from '../../src/graph/ops/add.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import type { Scores } from '../../src/graph/ops/attention.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rms-norm.ts';
import { rope } from '../../src/graph/ops/rope.ts';
import type { RopeTable } from '../../src/graph/ops/rope.ts';
import { storedAttention } from '../../src/graph/ops/stored-attention.ts';
import type { PagedState } from '../../src/graph/state.ts';
import type { Value } from '../../src/graph/value.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

interface Layer extends Pick<Scores, 'softcap' | 'temperature'> {
  /** Of a head's query, key and value. */
  readonly width: number;
  /** Values of a head that turn; layers of equal numbers share a table. */
  readonly rotaryDim: number;
  readonly sinks?: true;
  readonly window?: number;
  /** The norms of q's and k's heads have no gains. */
  readonly ungained?: true;
  /** v's heads are normed too, without gains. */
  readonly vNorm?: true;
  /** Index of the layer whose keys and values it uses. */
  readonly owner?: number;
}

const DIM = 32;
const HEADS = 4;
const KV_HEADS = 2;

interface Heads {
  readonly x: Value;
  readonly positions: Value;
  readonly heads: number;
  readonly width: number;
  readonly table: RopeTable;
  readonly ungained: true | undefined;
}

/** Heads of a product, normed and turned. */
function preparedHeads(g: GraphBuilder, name: string, { x, positions, heads, width, table, ungained }: Heads): Value {
  const product = linear(g, name, x, g.weight(g.path(name), [heads * width, DIM]));
  const weight = ungained ? undefined : g.weight(g.path(`${name}_norm`), [width]);
  const normed = rmsNorm(g, `${name}_norm`, product, { weight, eps: 1e-5, groups: heads });
  return rope(g, `${name}_rope`, normed, { heads, headDim: width, table, positions });
}

/** Layers of nothing but a norm, attention and an output product. */
function graphOf(layers: readonly Layer[], causal = true): Graph {
  const tables = new Map(layers.map(({ rotaryDim }) => [rotaryDim, {
    id: `rope.${rotaryDim}`, frequencies: Float64Array.from({ length: rotaryDim / 2 }, (_, i) => 100 ** (-i / rotaryDim)),
  }]));
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const states: (PagedState | undefined)[] = [];
    const mixed = (x: Value, { width, rotaryDim, window, owner, sinks, ungained, vNorm, ...scores }: Layer): Value => {
      const from = { x, positions, width, table: tables.get(rotaryDim)!, ungained };
      const q = preparedHeads(g, 'q', { ...from, heads: HEADS });
      const fields = { ...scores, sinks: sinks && g.weight(g.path('sinks'), [HEADS]), positions, heads: HEADS, scale: width ** -0.5 };
      const shared = states[owner ?? -1];
      states.push(shared ?? g.pagedState({ heads: KV_HEADS, keyDim: width, valueDim: width, window: causal ? window : undefined }));
      const state = states.at(-1) as PagedState;
      if (shared !== undefined) return storedAttention(g, 'attend', q, { ...fields, state });
      const k = preparedHeads(g, 'k', { ...from, heads: KV_HEADS });
      const v = linear(g, 'v', x, g.weight(g.path('v'), [KV_HEADS * width, DIM]));
      const values = vNorm ? rmsNorm(g, 'v_norm', v, { weight: undefined, eps: 1e-5, groups: KV_HEADS }) : v;
      return attention(g, 'attend', [q, k, values], { ...fields, state, causal, window });
    };
    const x = layers.reduce((before, layer, n) => g.scope(`layers.${n}`, () => {
      const normed = rmsNorm(g, 'norm', before, { weight: g.weight(g.path('norm'), [DIM]), eps: 1e-5 });
      return add(g, 'sum', before, linear(g, 'o', mixed(normed, layer), g.weight(g.path('o'), [DIM, HEADS * layer.width])));
    }), embed(g, 'embed', tokens, g.weight('embedding', [50, DIM])));
    g.output('logits', linear(g, 'output', gatherRows(g, 'last', x, outIndices), g.weight('output', [50, DIM])));
  });
}

/** Prompts, single rows with keys in one part and in several, rows of two sequences together. */
const BATCHES: readonly StepBatch[] = [
  { sequences: [sequence(11, { outputs: [0, 4, 10] })] },
  { sequences: [sequence(1, { start: 11 })] },
  { sequences: [sequence(3, { start: 12 }), sequence(7, { pages: [9], seed: 5, outputs: [2, 6] })] },
  { sequences: [sequence(1, { start: 15 })] },
  { sequences: [sequence(1, { start: 16 }), sequence(1, { start: 7, pages: [9], seed: 5 })] },
];

const { float, int8, subgroupFloat } = TEST_PROFILES;

async function check(graph: Graph, profile: DeviceProfile, batches = BATCHES): Promise<string> {
  const isInt8 = profile.activations === 'int8';
  const pair = await loadPair({
    shape: graph, profile, weights: { typeOf: () => (isInt8 ? 'q8_0' : 'f32'), kv: { type: 'f32' } }, tolerance: isInt8 ? 2e-2 : 2e-5,
  });
  try {
    await compareRuns(pair, batches);
    return pair.found.printPlan();
  } finally {
    await pair.dispose();
  }
}

const small = { width: 16, rotaryDim: 16 };

describe.each([['float', float], ['int8', int8], ['subgroupFloat', subgroupFloat]] as const)(
  'by the profile %s', (_, profile) => {
    it('softcap, sinks, temperature, windows, and all of them', async () => {
      const temperature = { beta: 0.4, length: 3 };
      await check(graphOf([
        { ...small, softcap: 0.7 }, { ...small, sinks: true }, { ...small, temperature }, { ...small, sinks: true, window: 5 },
        { ...small, rotaryDim: 6, softcap: 0.7, sinks: true, temperature, window: 5 },
      ]), profile);
    });

    it('keys and values of another layer, whose queries are prepared as they are read', async () => {
      const plan = await check(graphOf([
        { ...small, window: 6 }, { ...small, rotaryDim: 8 }, { ...small, owner: 0 }, { ...small, rotaryDim: 8, owner: 1, sinks: true, softcap: 0.7 },
      ]), profile);
      expect(plan).toContain('heads=4 state=paged.0 window=6 stored q=(norm layers.2.q_norm, rope rope.16)');
      expect(plan).toContain('rule rope-attention x4');
    });

    it('norms of heads without gains', async () => {
      const plan = await check(graphOf([{ ...small, vNorm: true }, { ...small, ungained: true, vNorm: true, window: 5 }]), profile);
      expect(plan).toContain('joined q=(norm layers.0.q_norm, rope rope.16) k=(norm layers.0.k_norm, rope rope.16) v=(norm 1*16)');
      expect(plan).toContain('joined q=(norm 1*16, rope rope.16) k=(norm 1*16, rope rope.16) v=(norm 1*16)');
    });

    it('windows on both sides', async () => {
      const batches = [
        { sequences: [sequence(23, { outputs: [0, 11, 22] }), sequence(9, { pages: [9, 10], seed: 5, outputs: [3] })] },
        { sequences: [sequence(1, { start: 23 })] },
        { sequences: [sequence(1, { start: 24 }), sequence(1, { start: 9, pages: [9, 10], seed: 5 })] },
        { sequences: [sequence(1, { pages: [11] })] },
      ];
      await check(graphOf([{ ...small, window: 7 }, small, { ...small, window: 1, sinks: true }], false), profile, batches);
    });
  },
);

it('heads of 64 and 256, and layers that share either', async () => {
  const plan = await check(graphOf([
    { width: 64, rotaryDim: 64, window: 6, vNorm: true }, { width: 256, rotaryDim: 64, vNorm: true }, { width: 64, rotaryDim: 64, owner: 0 },
    { width: 256, rotaryDim: 64, owner: 1 },
  ]), float);
  expect(plan).toContain('state=paged.1 stored');
});
