/** Goldens of packed folders (MLX's 4 bits, gpt-oss's MXFP4) on the software adapter. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { collect } from '../../src/engine/collect.ts';
import { createModel } from '../../src/engine/model.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import { locate } from '../../src/node/open-path.ts';
import { f32Of, hasShared, readFixtureTensors, sharedPath } from '../fixture-tensors.ts';
import type { Golden } from '../goldens.ts';
import { relativeError } from '../relative-error.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe.each(['mlx_qwen3', 'gpt_oss_mxfp4'])('the golden of %s on the software adapter', (name) => {
  const path = `${sharedPath}/golden/${name}`;

  it('as it is gives its logits and greedy tokens', async ({ skip }) => {
    if (!hasShared(`golden/${name}/golden.json`)) skip(`${name} is in ../shared/golden`);
    const { prompts, greedy } = JSON.parse(readFileSync(`${path}/golden.json`, 'utf8')) as Golden;
    const tensors = readFixtureTensors(`${path}/golden.safetensors`);
    const executor = await softwareExecutor({ profile: TEST_PROFILES.float });
    const model = await createModel({ checkpoint: await openCheckpoint(await locate(path)), executor, kvType: 'f32' });
    try {
      for (const [prompt, ids] of Object.entries(prompts)) {
        expect(relativeError(await model.forward(ids), f32Of(tensors, `${prompt}.logits`)), prompt).toBeLessThan(1e-3);
        const options = { ids, temperature: 0, ignoreEos: true, maxTokens: greedy[prompt]!.length };
        expect((await collect(model.generate(options))).tokens).toEqual(greedy[prompt]);
      }
    } finally {
      await model.dispose();
    }
  });
});
