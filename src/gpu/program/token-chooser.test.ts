/** How submits of a program that chooses begin and fail; what they compute is tested on devices. */
import { expect, it } from 'vitest';
import { syntheticGraph, TINY } from '../../../test/synthetic-graph.ts';
import { DECODER } from '../../graph/model-graphs.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { createTokenChooser } from './token-chooser.ts';
import type { ChoosingProgram } from './token-chooser.ts';

it('a submit that the device has no memory for fails when nothing goes on that was begun for it', async () => {
  const graph = syntheticGraph(TINY);
  const plan = { graph, limits: { rows: 8, outRows: 4 }, activations: { bufferOf: () => ({}) } };
  let prepared = () => {};
  const program = {
    graph, one: plan, many: plan, names: DECODER, mostSteps: 4, followsGrammars: true, tokenLimit: 10,
    checkOpen() {},
    grown: () => Promise.reject(new CapacityError('no memory for pages')),
    sampler: { open: () => 0, prepare: () => new Promise<void>((resolve) => (prepared = resolve)) },
    prepare: () => undefined,
  };
  const chooser = createTokenChooser(program as unknown as ChoosingProgram);
  const order: string[] = [];
  const rows = { tokens: [1], start: 0, pages: [[0]], slots: undefined, shift: 0, wanted: 'token', choice: 0 } as const;
  const submitted = chooser.submit({ sequences: [rows], steps: 1 }).finally(() => order.push('failed'));
  const failed = expect(submitted).rejects.toThrow('no memory for pages');
  await new Promise((resolve) => setTimeout(resolve, 5));
  order.push('prepared');
  prepared();
  await failed;
  expect(order).toEqual(['prepared', 'failed']);
});
