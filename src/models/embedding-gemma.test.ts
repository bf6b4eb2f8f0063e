import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddingModel, filesBelow } from '../../test/embedding-model.ts';
import type { ExtraFiles } from '../../test/embedding-model.ts';
import { f32Of, hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { relativeError } from '../../test/relative-error.ts';
import type { Model } from '../engine/api.ts';
import { convertFile } from '../node/convert.ts';
import { loadModel } from '../node/load-model.ts';

const path = join(sharedPath, 'golden/embedding_gemma');

/** The model's files, its pipeline without dense layers. */
function withoutDense(): ExtraFiles {
  const modules = JSON.parse(readFileSync(join(path, 'modules.json'), 'utf8')) as { readonly type: string }[];
  return { 'modules.json': modules.filter(({ type }) => !type.endsWith('Dense')) };
}

async function checkGolden(model: Model, golden: string): Promise<void> {
  const { prompts } = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as { readonly prompts: Record<string, number[]> };
  const tensors = readFixtureTensors(join(path, 'golden.safetensors'));
  try {
    expect(model.info.embedding).toEqual({ pooling: 'mean', dimensions: 64 });
    const embeddings = await model.embed(Object.values(prompts));
    for (const [i, name] of Object.keys(prompts).entries())
      expect(relativeError(embeddings[i]!, f32Of(tensors, `${name}.${golden}`)), name).toBeLessThan(1e-4);
  } finally {
    await model.dispose();
  }
}

describe.skipIf(!hasShared('golden/embedding_gemma/golden.json'))('embedding_gemma of ../shared', () => {
  it.each(['reference', 'cpu'] as const)('gives its embeddings on %s', async (device) => {
    await checkGolden(await embeddingModel(filesBelow(path), { device }), 'embedding');
  });

  it('gives the mean of its states without dense layers', async () => {
    await checkGolden(await embeddingModel(filesBelow(path, withoutDense()), { device: 'cpu' }), 'mean_pooled');
  });

  it('gives the same as a GGUF file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-'));
    try {
      const { tensors } = await convertFile(path, join(folder, 'out.gguf'), { type: 'f32' });
      expect(tensors).toBe(2 + 4 * 13 + 2);
      await checkGolden(await loadModel(join(folder, 'out.gguf'), { device: 'cpu', threads: 2 }), 'embedding');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('needs to know how its states are pooled', async () => {
    const files = filesBelow(path);
    files.delete('modules.json');
    await expect(embeddingModel(files, { device: 'reference' })).rejects.toThrow('expected modules.json');
  });
});
