import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddingModel, filesBelow, openFiles, poolingFiles } from '../../test/embedding-model.ts';
import { f32Of, fixturesPath, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { relativeError } from '../../test/relative-error.ts';
import type { Model } from '../engine/api.ts';
import { convert } from '../node/convert.ts';
import { fileSink } from '../node/file-sink.ts';
import { loadModel } from '../node/load-model.ts';

async function checkGolden(model: Model, path: string, golden: string): Promise<void> {
  const { prompts } = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as { readonly prompts: Record<string, number[]> };
  const tensors = readFixtureTensors(join(path, 'golden.safetensors'));
  try {
    expect(model.info.warnings).toEqual([]);
    const embeddings = await model.embed(Object.values(prompts));
    for (const [i, name] of Object.keys(prompts).entries())
      expect(relativeError(embeddings[i]!, f32Of(tensors, `${name}.${golden}`)), name).toBeLessThan(1e-4);
  } finally {
    await model.dispose();
  }
}

describe.each(['bert', 'nomic_bert'])('%s', (family) => {
  const path = join(fixturesPath, 'golden', family);

  it.each([
    ['reference', 'mean_tokens', 'mean_pooled'], ['reference', 'cls_token', 'cls_pooled'],
    ['cpu', 'mean_tokens', 'mean_pooled'], ['cpu', 'cls_token', 'cls_pooled'],
  ] as const)("gives transformers' states on %s, %s", async (device, mode, golden) => {
    await checkGolden(await embeddingModel(filesBelow(path, poolingFiles(mode)), { device }), path, golden);
  });

  it('gives the same as a GGUF file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-'));
    try {
      const file = join(folder, 'out.gguf');
      await convert(await openFiles(filesBelow(path, poolingFiles('cls_token'))), await fileSink(file), { type: 'f32' });
      await checkGolden(await loadModel(file, { device: 'cpu', threads: 2 }), path, 'cls_pooled');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes its vocab.txt along, or says that it cannot', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-'));
    try {
      const file = join(folder, 'out.gguf');
      const files = (vocabulary: string) => filesBelow(path, poolingFiles('cls_token', { 'vocab.txt': vocabulary }));
      const made = async (text: string, vocabulary: 'source' | 'none') =>
        convert(await openFiles(files(text)), await fileSink(file), { type: 'f32', vocabulary });
      await expect(made('[UNK]\n', 'source')).rejects.toThrow('vocab.txt must hold cls_token "[CLS]"');
      expect((await made('[UNK]\n', 'none')).tensors).toBeGreaterThan(0);
      const words = '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nfox\n##es\n';
      await made(words, 'source');
      const folderModel = await embeddingModel(files(words), { device: 'cpu' });
      const fileModel = await loadModel(file, { device: 'cpu', threads: 2 });
      expect(await fileModel.embed(['A foxes x'])).toEqual(await folderModel.embed([[2, 5, 6, 7, 1, 3]]));
      expect(await fileModel.embed(['A foxes x'])).toEqual(await folderModel.embed(['A foxes x']));
      await folderModel.dispose();
      await fileModel.dispose();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('needs to know how its states are pooled', async () => {
    await expect(embeddingModel(filesBelow(path), { device: 'reference' })).rejects.toThrow('expected modules.json');
  });
});
