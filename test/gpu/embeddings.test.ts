import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddingModel, filesBelow, poolingFiles } from '../embedding-model.ts';
import type { ExtraFiles } from '../embedding-model.ts';
import { f32Of, fixturesPath, hasShared, readFixtureTensors, sharedPath } from '../fixture-tensors.ts';
import { relativeError } from '../relative-error.ts';
import { checkRerankGolden, rerankerPath } from '../rerank-golden.ts';
import { loadModel } from '../../src/node/load-model.ts';

async function checkGolden(path: string, golden: string, extra: ExtraFiles = {}): Promise<void> {
  const { prompts } = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as { readonly prompts: Record<string, number[]> };
  const tensors = readFixtureTensors(join(path, 'golden.safetensors'));
  const model = await embeddingModel(filesBelow(path, extra), { device: 'software' });
  try {
    const embeddings = await model.embed(Object.values(prompts));
    for (const [i, name] of Object.keys(prompts).entries())
      expect(relativeError(embeddings[i]!, f32Of(tensors, `${name}.${golden}`)), name).toBeLessThan(1e-3);
    expect(model.info.memory.workBytes).toBeGreaterThan(0);
  } finally {
    await model.dispose();
  }
}

describe('embeddings on the GPU', () => {
  it.each([['lasttoken', 'last_pooled'], ['mean_tokens', 'mean_pooled']])('qwen3, %s', async (mode, golden) => {
    await checkGolden(`${fixturesPath}golden/qwen3`, golden, poolingFiles(mode));
  });

  it.each(['bert', 'nomic_bert'])('%s', async (family) => {
    await checkGolden(`${fixturesPath}golden/${family}`, 'mean_pooled', poolingFiles('mean_tokens'));
  });

  it.skipIf(!hasShared('golden/embedding_gemma/golden.json'))('embedding_gemma of ../shared', async () => {
    await checkGolden(join(sharedPath, 'golden/embedding_gemma'), 'embedding');
  });
});

it("the scores of Qwen3-Reranker's kind on the GPU are those of its model card", async () => {
  const model = await loadModel(rerankerPath, { device: 'software' });
  try {
    await checkRerankGolden(model, 1e-3);
  } finally {
    await model.dispose();
  }
});
