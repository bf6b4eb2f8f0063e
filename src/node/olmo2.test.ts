import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { f32Of, fixturesPath, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { goldenPath, hasGolden } from '../../test/goldens.ts';
import { relativeError } from '../../test/relative-error.ts';
import { collect } from '../engine/collect.ts';
import { createModel } from '../engine/model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { openExecutor } from './load-model.ts';
import { locate } from './open-path.ts';

interface Wanted {
  readonly config: JsonObject;
  readonly ids: number[];
  readonly greedy: readonly number[];
}

/** Of scripts/fixtures/olmo2.py. */
describe.skipIf(!hasGolden('olmo3'))('olmo2 of the weights of ../shared/golden/olmo3, which see all and turn alike', () => {
  it.each(['reference', 'cpu'] as const)('%s: logits and greedy tokens', async (device) => {
    const path = join(fixturesPath, 'olmo2');
    const { config, ids, greedy } = JSON.parse(readFileSync(join(path, 'olmo2.json'), 'utf8')) as Wanted;
    const checkpoint = await openCheckpoint(await locate(goldenPath('olmo3')));
    const executor = await openExecutor({ device, threads: device === 'cpu' ? 2 : undefined });
    const model = await createModel({ checkpoint: { ...checkpoint, architecture: 'olmo2', config }, executor });
    try {
      const expected = f32Of(readFixtureTensors(join(path, 'olmo2.safetensors')), 'logits');
      expect(relativeError(await model.forward(ids), expected)).toBeLessThan(1e-4);
      expect((await collect(model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: greedy.length }))).tokens).toEqual(greedy);
      expect(model.info.warnings).toEqual([]);
    } finally {
      await model.dispose();
    }
  });
});
