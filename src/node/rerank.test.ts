/** `rerank` against transformers and the model card of Qwen3-Reranker, from a folder and from the GGUF file that `convert` makes of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { embeddingModel, filesBelow } from '../../test/embedding-model.ts';
import { checkRerankGolden, rerankerPath } from '../../test/rerank-golden.ts';
import { convertFile } from './convert.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { loadModel } from './load-model.ts';
import { locate } from './open-path.ts';

/** The files of sentence-transformers' CrossEncoder, as its pull requests add them to the folders of Qwen3-Reranker. */
const scoreFiles = (tokens: object) => ({
  'modules.json': [
    { idx: 0, name: '0', path: '', type: 'sentence_transformers.base.modules.transformer.Transformer' },
    { idx: 1, name: '1', path: '1_LogitScore', type: 'sentence_transformers.cross_encoder.modules.logit_score.LogitScore' },
  ],
  '1_LogitScore/config.json': tokens,
});
/** Ids of yes and no in the small vocabulary. */
const [YES, NO] = [257, 258];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-rerank-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each(['reference', 'cpu'] as const)('scores are those of the model card on %s', async (device) => {
  const model = await loadModel(rerankerPath, { device });
  try {
    await checkRerankGolden(model, 1e-5);
  } finally {
    await model.dispose();
  }
});

it('scores are those of the model card from the GGUF file that convert makes', async () => {
  const path = join(folder, 'reranker.gguf');
  await convertFile(rerankerPath, path, { type: 'f32' });
  const model = await loadModel(path, { device: 'cpu', kvType: 'f32' });
  try {
    await checkRerankGolden(model, 1e-5);
    // One context for all documents: the order in which they come changes nothing.
    const [query, texts] = ['Where does a hen live?', ['The fox is red.', 'no', 'A hen lives in a coop.']];
    const [there, back] = [await model.rerank(query, texts), await model.rerank(query, texts.toReversed())];
    there.forEach((score, i) => expect(back[2 - i]).toBeCloseTo(score, 6));
  } finally {
    await model.dispose();
  }
});

it('the files of a CrossEncoder say the tokens of the scores, which have to be yes and no', async () => {
  const open = (tokens: object) => embeddingModel(filesBelow(rerankerPath, scoreFiles(tokens)), { device: 'reference' });
  const model = await open({ true_token_id: YES, false_token_id: NO });
  await checkRerankGolden(model, 1e-5);
  await model.dispose();
  const others = [
    [{ true_token_id: NO, false_token_id: YES }, '258 and 257'],
    [{ true_token_id: YES, false_token_id: null }, '257 and none'],
  ] as const;
  for (const [tokens, said] of others) {
    const other = await open(tokens);
    await expect(other.rerank('q', ['d'])).rejects.toThrow(InputError);
    await expect(other.rerank('q', ['d'])).rejects.toThrow(`the files of this one say ${said}, so that it has a prompt of its own`);
    await other.dispose();
  }
  await expect(open({ true_token_id: 'yes' })).rejects.toThrow(
    '1_LogitScore/config.json: true_token_id must be the id of a token, found "yes"',
  );
});

it("llama.cpp's files of rerankers, with a head of their own, are refused with what to do", async () => {
  const path = join(folder, 'plain.gguf');
  await convertFile(rerankerPath, path, { type: 'f32' });
  const checkpoint = await openCheckpoint(await locate(path));
  try {
    const ranking = { ...checkpoint, metadata: new Map([...checkpoint.metadata, ['qwen3.pooling_type', 4] as const]) };
    await expect(openDecoder(ranking)).rejects.toThrow('Make a file of the folder of Qwen3-Reranker with ingot convert');
  } finally {
    await checkpoint.close();
  }
});
