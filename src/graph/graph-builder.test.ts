import { describe, expect, it } from 'vitest';
import { syntheticGraph, TINY } from '../../test/synthetic-graph.ts';
import { sizesOf } from './dims.ts';
import { buildGraph } from './graph-builder.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { printGraph } from './graph.ts';
import { add } from './ops/add.ts';
import { attention } from './ops/attention.ts';
import { deltaRule } from './ops/delta-rule.ts';
import { embed } from './ops/embed.ts';
import { gatherRows } from './ops/gather-rows.ts';
import { linear } from './ops/linear.ts';
import { rmsNorm } from './ops/rms-norm.ts';
import { rope } from './ops/rope.ts';
import type { Value } from './value.ts';
import { shortConvolution } from './ops/short-convolution.ts';
import { storedAttention } from './ops/stored-attention.ts';

interface Made {
  readonly g: GraphBuilder;
  /** [rows, 8]. */
  readonly x: Value;
  readonly positions: Value;
}

/** Builds a graph whose one interesting op is `body`'s. */
function build(body: (made: Made) => Value): () => unknown {
  return () =>
    buildGraph('test', (g) => {
      const tokens = g.input('tokens', 'i32', ['rows']);
      const positions = g.input('positions', 'i32', ['rows']);
      const x = embed(g, 'embed', tokens, g.weight('embedding', [10, 8]));
      g.output('last', g.scope('layer', () => body({ g, x, positions })));
    });
}

const table = { id: 'rope', frequencies: Float64Array.of(1, 0.1) };

function attend({ g, x, positions }: Made, heads: number, state: { heads: number; keyDim: number; valueDim: number }): Value {
  return attention(g, 'attend', [x, x, x], { positions, heads, scale: 1, state: g.pagedState(state) });
}

function convolve({ g, x }: Pick<Made, 'g' | 'x'>, weight: readonly number[], state: readonly number[]): Value {
  return shortConvolution(g, 'conv', x, { weight: g.weight('conv', weight), state: g.slotState({ shape: state, dtype: 'f32' }) });
}

function remember({ g, x }: Pick<Made, 'g' | 'x'>, keyHeads: number, valueHeads: number, keyDim: number): Value {
  const gate = (name: string) => linear(g, name, x, g.weight(name, [2, 8]));
  return deltaRule(g, 'rule', [x, gate('a'), gate('b')], {
    decay: g.weight('decay', [valueHeads]), dtBias: g.weight('dt', [valueHeads]), keyHeads, valueHeads, keyDim, valueDim: 2,
    keyHeadMap: 'grouped', state: g.slotState({ shape: [valueHeads, 2, 2], dtype: 'f32' }),
  });
}

describe('the graph builder refuses', () => {
  const cases: [string, (made: Made) => Value, string][] = [
    [
      'a matrix of another width',
      ({ g, x }) => linear(g, 'q', x, g.weight('q', [4, 7])),
      'layer.q: expected weight q of shape [out, 8], found [4, 7]',
    ],
    [
      'a bias of another length',
      ({ g, x }) => linear(g, 'q', x, g.weight('q', [4, 8]), g.weight('b', [8])),
      'expected bias b of shape [4], found [8]',
    ],
    [
      'a gain that does not divide the row',
      ({ g, x }) => rmsNorm(g, 'norm', x, { weight: g.weight('n', [8]), eps: 1e-6, groups: 2 }),
      'of shape [4], found [8]',
    ],
    [
      'a convolution over one value',
      ({ g, x }) => convolve({ g, x }, [8, 1], [0, 8]),
      'expected a weight of shape [8, 2 or more], found [8, 1]',
    ],
    [
      'a convolution of other channels',
      ({ g, x }) => convolve({ g, x }, [6, 4], [3, 6]),
      'expected a weight of shape [8, 2 or more], found [6, 4]',
    ],
    [
      'a slot that holds another past',
      ({ g, x }) => convolve({ g, x }, [8, 4], [4, 8]),
      'layer.conv: expected state of shape [3, 8], found [4, 8]',
    ],
    ['value heads that key heads do not divide', ({ g, x }) => remember({ g, x }, 2, 3, 2), 'layer.rule: expected value heads'],
    ['a delta rule of other widths', ({ g, x }) => remember({ g, x }, 1, 2, 3), 'expected qkv of shape [rows, 10], found [rows, 8]'],
    ['gates of other heads', ({ g, x }) => remember({ g, x }, 1, 1, 3), 'expected a of shape [rows, 1], found [rows, 2]'],
    [
      'two layers that write one state',
      ({ g, x, positions }) => {
        const fields = { positions, heads: 2, scale: 1, state: g.pagedState({ heads: 2, keyDim: 4, valueDim: 4 }) };
        return attention(g, 'again', [x, attention(g, 'attend', [x, x, x], fields), x], fields);
      },
      'layer.again: expected a state of its own, found paged.0, which an attention before it writes',
    ],
    [
      'keys and values that no layer before has stored',
      ({ g, x, positions }) =>
        storedAttention(g, 'attend', x, { positions, heads: 2, scale: 1, state: g.pagedState({ heads: 2, keyDim: 4, valueDim: 4 }) }),
      'layer.attend: expected an attention before it in its graph that writes paged.0, found none',
    ],
    [
      'a window of nothing',
      ({ g, x, positions }) =>
        attention(g, 'attend', [x, x, x], {
          positions, heads: 2, scale: 1, state: g.pagedState({ heads: 2, keyDim: 4, valueDim: 4, window: 0 }),
        }),
      "a state's window must be 1 position or more, found 0",
    ],
    [
      'a sum of unequal shapes',
      ({ g, x }) => add(g, 'sum', x, linear(g, 'q', x, g.weight('q', [4, 8]))),
      'expected second input of shape [rows, 8], found [rows, 4]',
    ],
    [
      'a sum over two dims',
      ({ g, x }) => add(g, 'sum', x, gatherRows(g, 'some', x, g.input('some', 'i32', ['outRows']))),
      'of shape [rows, 8], found [outRows, 8]',
    ],
    [
      'a rotation of another width',
      ({ g, x, positions }) => rope(g, 'rope', x, { heads: 3, headDim: 4, table, positions }),
      'expected x of shape [rows, 12], found [rows, 8]',
    ],
    [
      'more frequencies than a head has pairs',
      ({ g, x, positions }) => rope(g, 'rope', x, { heads: 4, headDim: 2, table, positions }),
      'at most 1 frequencies for headDim 2, found 2',
    ],
    [
      'positions of another dim',
      ({ g, x }) => rope(g, 'rope', x, { heads: 2, headDim: 4, table, positions: g.input('frames', 'i32', ['frames']) }),
      'positions of shape [rows], found [frames]',
    ],
    [
      'heads that are no multiple of the key heads',
      (made) => attend(made, 4, { heads: 3, keyDim: 2, valueDim: 2 }),
      'expected heads to be a multiple of the key heads, found 4 and 3',
    ],
    [
      'keys of another width than the state has',
      (made) => attend(made, 4, { heads: 2, keyDim: 2, valueDim: 2 }),
      'expected k of shape [rows, 4], found [rows, 8]',
    ],
    [
      'tokens that are floats',
      ({ g, x }) => embed(g, 'embed', x, g.weight('embedding', [10, 8])),
      'expected tokens of shape [rows] and type i32',
    ],
    [
      'one weight in two shapes',
      ({ g, x }) => linear(g, 'b', linear(g, 'a', x, g.weight('w', [8, 8])), g.weight('w', [4, 8])),
      'expected weight w of shape [8, 8], found [4, 8]',
    ],
    ['two inputs of one name', ({ g }) => g.input('tokens', 'i32', ['rows']), 'two inputs are called tokens'],
  ];
  it.each(cases)('%s', (_, body, message) => {
    expect(build(body)).toThrow(message);
  });

  it('a graph without an output', () => {
    expect(() => buildGraph('test', (g) => void g.input('tokens', 'i32', ['rows']))).toThrow('expected at least one output, found none');
  });
});

describe('sizes of a run', () => {
  it('hold derived ones, each from those before it', () => {
    const derived = [{ name: 'half', of: ({ frames = 0 }) => frames / 2 }, { name: 'quarter', of: ({ half = 0 }) => half / 2 }];
    expect(sizesOf(derived, { frames: 12 })).toEqual({ frames: 12, half: 6, quarter: 3 });
    expect(() => sizesOf(derived, { frames: 10 })).toThrow('dim quarter: expected a whole number for sizes {"frames":10}, found 2.5');
  });
});

describe('a graph', () => {
  it('prints a line per op, with states, taps and shapes', () => {
    expect(printGraph(syntheticGraph({ ...TINY, layers: 1, qkNorm: true }))).toMatchSnapshot();
  });

  it('names every weight once, in order of use', () => {
    const { weights } = syntheticGraph(TINY);
    expect(new Set(weights.map(({ id }) => id)).size).toBe(weights.length);
    expect(weights[0]?.id).toBe('embedding');
  });
});
