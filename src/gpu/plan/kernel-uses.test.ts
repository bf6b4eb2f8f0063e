import { expect, it } from 'vitest';
import { syntheticGraph, TINY } from '../../../test/synthetic-graph.ts';
import { modelOfDecoder } from '../../graph/model-graphs.ts';
import { PROFILES } from '../profile/profiles.ts';
import type { SingleMode } from './kernel-use.ts';
import { planModel } from './model-plan.ts';

/** Workgroups of attention in a step of 16 rows, each alone in its sequence: [heads over those of a workgroup, parts, rows]. */
function workgroupsOf(attention: SingleMode) {
  const graph = syntheticGraph({ ...TINY, heads: 8, kvHeads: 2, headDim: 64 });
  const kv = { type: 'f16', pageTokens: 64, maxPages: 64 } as const;
  const { decoder } = planModel({ model: modelOfDecoder(graph), typeOf: () => 'q4_0', profile: PROFILES.nvidia, kv, sizes: { rows: 64 } });
  const { plan, usesOf } = decoder!.many;
  const step = plan.steps.find(({ op }) => op.kind === 'attention')!;
  const counts = { sizes: { rows: 16, outRows: 16 }, tiles: 0, singles: 16 };
  return usesOf(step, { rows: { rows: 'many', outRows: 'many' }, attention }).map(({ workgroups }) => workgroups(counts));
}

it('rows of many sequences attend a head a workgroup, or all heads of a group, over all keys or parts of them', () => {
  expect(workgroupsOf('whole')).toEqual([[8, 1, 16]]);
  expect(workgroupsOf('grouped')).toEqual([[2, 1, 16]]);
  expect(workgroupsOf('split')).toEqual([[4, 32, 16], [8, 16, 1]]);
  expect(workgroupsOf('groupedSplit')).toEqual([[2, 4, 16], [8, 16, 1]]);
});
