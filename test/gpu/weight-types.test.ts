/** Whole models whose matrices are of every packed form, dealt out in turn: types that take int8 beside types that take floats. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { representativeTypes } from '../../src/gpu/packed-forms.ts';
import { WEIGHT_TYPES } from '../../src/tensor/formats/weight-formats.ts';
import type { WeightType } from '../../src/tensor/formats/weight-formats.ts';
import { isQuantized } from '../../src/tensor/tensor-type.ts';
import { syntheticGraph, TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import type { CheckedPair } from './executor-check.ts';

/** Rows of whole blocks of any type. */
const GRAPH = syntheticGraph({ ...TINY, dim: 256, headDim: 64, ffnDim: 512 });
const MATRICES = GRAPH.weights.filter(({ shape }) => shape.length === 2).map(({ id }) => id);
const FORMS = representativeTypes(WEIGHT_TYPES.filter(isQuantized));

/** Models that have all forms between them. */
const DEALS = Array.from({ length: Math.ceil(FORMS.length / MATRICES.length) }, (_, model) =>
  new Map(MATRICES.map((id, i) => [id, FORMS[(model * MATRICES.length + i) % FORMS.length] as WeightType])));

const { int8, float } = TEST_PROFILES;

// As in gpu-executor.test.ts: a code of an activation at a tie may be the neighbour's.
describe.each([['int8', int8, 2e-2], ['float', float, 2e-4]] as const)('%s', (_, profile, tolerance) => {
  describe.each(DEALS)('model %#', (types) => {
    let pair: CheckedPair;
    beforeAll(async () => {
      pair = await loadPair({ shape: GRAPH, profile, tolerance, weights: { typeOf: (id) => types.get(id) as WeightType } });
    });
    afterAll(() => pair?.dispose());

    it('reads a prompt and decodes', async () => {
      const decode = [11, 12].map((start) => ({ sequences: [sequence(1, { start })] }));
      await compareRuns(pair, [{ sequences: [sequence(11, { outputs: [0, 10] })], taps: ['hidden.0', 'hidden.1', 'hidden.2'] }, ...decode]);
      await compareRuns(pair, [{ sequences: [sequence(3, { start: 13 })] }]);
    });
  });
});
