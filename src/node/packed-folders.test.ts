import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { f32Of, hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { relativeError } from '../../test/relative-error.ts';
import { collect } from '../engine/collect.ts';
import type { Golden } from '../../test/goldens.ts';
import { convertFile } from './convert.ts';
import { loadModel } from './load-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'ingot-packed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Folders as mlx-lm and OpenAI write them, with what transformers makes of the decoded weights in float32. */
describe.each(['mlx_qwen3', 'gpt_oss_mxfp4'])('the golden of %s', (name) => {
  const path = `${sharedPath}/golden/${name}`;
  const isHere = hasShared(`golden/${name}/golden.json`);

  it('decoded to f32 gives its logits and greedy tokens', async ({ skip }) => {
    if (!isHere) skip(`${name} is in ../shared/golden`);
    const file = join(folder, `${name}.gguf`);
    await convertFile(path, file, { type: 'f32' });
    const { prompts, greedy } = JSON.parse(readFileSync(`${path}/golden.json`, 'utf8')) as Golden;
    const tensors = readFixtureTensors(`${path}/golden.safetensors`);
    const model = await loadModel(file, { device: 'reference' });
    try {
      for (const [prompt, ids] of Object.entries(prompts)) {
        expect(relativeError(await model.forward(ids), f32Of(tensors, `${prompt}.logits`)), prompt).toBeLessThan(1e-4);
        const options = { ids, temperature: 0, ignoreEos: true, maxTokens: greedy[prompt]!.length };
        expect((await collect(model.generate(options))).tokens).toEqual(greedy[prompt]);
      }
    } finally {
      await model.dispose();
    }
  });

  it.for(['reference', 'cpu'] as const)('as it is gives its logits on %s', async (device, { skip }) => {
    if (!isHere) skip(`${name} is in ../shared/golden`);
    const { prompts } = JSON.parse(readFileSync(`${path}/golden.json`, 'utf8')) as Golden;
    const tensors = readFixtureTensors(`${path}/golden.safetensors`);
    const model = await loadModel(path, { device, kvType: 'f32', threads: device === 'cpu' ? 2 : undefined });
    try {
      expect(model.info.warnings).toEqual([]);
      for (const [prompt, ids] of Object.entries(prompts)) {
        const logits = await model.forward(ids);
        const expected = f32Of(tensors, `${prompt}.logits`);
        // Products on the CPU round activations to int8, which in models this small costs q8_0 as much, and may choose other experts.
        if (device === 'cpu') expect(medianOfRows(logits, expected, ids.length), prompt).toBeLessThan(0.03);
        else expect(relativeError(logits, expected), prompt).toBeLessThan(1e-4);
      }
    } finally {
      await model.dispose();
    }
  });
});

function medianOfRows(found: Float32Array, expected: Float32Array, rows: number): number {
  const width = expected.length / rows;
  const row = (values: Float32Array, n: number) => values.subarray(n * width, (n + 1) * width);
  return Array.from({ length: rows }, (_, n) => relativeError(row(found, n), row(expected, n))).toSorted((a, b) => a - b)[rows >> 1]!;
}
