import { describe, expect, it } from 'vitest';
import { syntheticGraph, TINY } from '../../test/synthetic-graph.ts';
import { buildGraph } from './graph-builder.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { printGraph } from './graph.ts';
import type { Value } from './value.ts';

/** Builds a graph whose one interesting op is `body`'s, on x [rows, 8]. */
function build(body: (g: GraphBuilder, x: Value) => Value): () => unknown {
  return () =>
    buildGraph('test', (g) => {
      const x = g.embed('embed', g.weight('embedding', [10, 8]));
      return g.gatherRows('last', g.scope('layer', () => body(g, x)));
    });
}

const table = { id: 'rope', frequencies: Float64Array.of(1, 0.1) };

describe('the graph builder refuses', () => {
  const cases: [string, (g: GraphBuilder, x: Value) => Value, string][] = [
    ['a matrix of another width', (g, x) => g.linear('q', x, g.weight('q', [4, 7])), 'layer.q: expected weight q of shape [out, 8], found [4, 7]'],
    ['a bias of another length', (g, x) => g.linear('q', x, g.weight('q', [4, 8]), g.weight('b', [8])), 'expected bias b of shape [4], found [8]'],
    ['a gain that does not divide the row', (g, x) => g.rmsNorm('norm', x, g.weight('n', [8]), 1e-6, 2), 'of shape [4], found [8]'],
    ['a sum of unequal shapes', (g, x) => g.add('sum', x, g.linear('q', x, g.weight('q', [4, 8]))), 'expected second input of shape [rows, 8], found [rows, 4]'],
    ['a rotation of another width', (g, x) => g.rope('rope', x, { heads: 3, headDim: 4, table }), 'expected x of shape [rows, 12], found [rows, 8]'],
    ['more frequencies than a head has pairs', (g, x) => g.rope('rope', x, { heads: 4, headDim: 2, table }), 'at most 1 frequencies for headDim 2, found 2'],
    [
      'heads that are no multiple of the key heads',
      (g, x) => g.attention('attend', [x, x, x], { heads: 4, kvHeads: 3, headDim: 2, scale: 1, state: g.kvState(3, 2) }),
      'expected heads to be a multiple of kvHeads, found 4 and 3',
    ],
    [
      'a state of another shape',
      (g, x) => g.attention('attend', [x, x, x], { heads: 4, kvHeads: 4, headDim: 2, scale: 1, state: g.kvState(4, 4) }),
      'state of kvHeads 4, headDim 2',
    ],
    [
      'one weight in two shapes',
      (g, x) => g.linear('b', g.linear('a', x, g.weight('w', [8, 8])), g.weight('w', [4, 8])),
      'expected weight w of shape [8, 8], found [4, 8]',
    ],
  ];
  it.each(cases)('%s', (_, body, message) => {
    expect(build(body)).toThrow(message);
  });

  it('logits of all rows', () => {
    expect(() => buildGraph('test', (g) => g.embed('embed', g.weight('embedding', [10, 8])))).toThrow('logits: expected shape [outRows, vocab]');
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
