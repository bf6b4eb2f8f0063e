import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddingModel, filesBelow, poolingFiles } from '../../test/embedding-model.ts';
import type { EmbeddingModelOptions, ExtraFiles } from '../../test/embedding-model.ts';
import { f32Of, fixturesPath, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { relativeError } from '../../test/relative-error.ts';
import { CapacityError, FormatError, InputError } from '../tensor/errors.ts';
import type { Model } from './api.ts';

const path = join(fixturesPath, 'golden/qwen3');
const { prompts } = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as { readonly prompts: Record<string, number[]> };
const names = Object.keys(prompts);
const texts = Object.values(prompts);
const tensors = readFixtureTensors(join(path, 'golden.safetensors'));

interface WithModel extends Partial<EmbeddingModelOptions> {
  readonly files: ExtraFiles;
}

async function withModel({ files, device = 'reference', ...options }: WithModel, body: (model: Model) => Promise<void>): Promise<void> {
  const model = await embeddingModel(filesBelow(path, files), { device, ...options });
  try {
    await body(model);
  } finally {
    await model.dispose();
  }
}

describe.each(['reference', 'cpu'] as const)("qwen3's embeddings on %s", (device) => {
  it.each([['lasttoken', 'last_pooled'], ['mean_tokens', 'mean_pooled']])('%s', async (mode, golden) => {
    await withModel({ files: poolingFiles(mode), device }, async (model) => {
      const embeddings = await model.embed(texts);
      for (const [i, name] of names.entries())
        expect(relativeError(embeddings[i]!, f32Of(tensors, `${name}.${golden}`)), name).toBeLessThan(1e-4);
    });
  });
});

describe('embed', () => {
  const files = poolingFiles('mean_tokens');

  it('gives a text the same in any company, whole or in pieces', async () => {
    await withModel({ files, device: 'cpu' }, async (model) => {
      const many = Array.from({ length: 40 }, (_, i) => texts[i % texts.length]!);
      const found = await model.embed(many);
      for (const [i, embedding] of found.entries())
        expect(relativeError(embedding, f32Of(tensors, `${names[i % names.length]!}.mean_pooled`)), String(i)).toBeLessThan(1e-4);
      expect(await model.embed([])).toEqual([]);
    });
    // Pages for one text of the context at a time, so that most texts come alone.
    await withModel({ files, contextLength: 130 }, async (model) => {
      const found = await model.embed([...texts, ...texts]);
      for (const [i, embedding] of found.entries())
        expect(relativeError(embedding, f32Of(tensors, `${names[i % names.length]!}.mean_pooled`)), String(i)).toBeLessThan(1e-4);
    });
  });

  it('cuts to dimensions, and makes unit vectors of them again', async () => {
    await withModel({ files }, async (model) => {
      const { dimensions } = model.info.embedding!;
      const [whole] = await model.embed([texts[1]!]);
      expect(whole).toHaveLength(dimensions);
      const [cut] = await model.embed([texts[1]!], { dimensions: 5 });
      const length = Math.hypot(...whole!.subarray(0, 5));
      expect(relativeError(cut!, whole!.subarray(0, 5).map((value) => value / length))).toBeLessThan(1e-6);
      expect(cut).toHaveLength(5);
    });
  });

  it('refuses what cannot be meant', async () => {
    await withModel({ files, contextLength: 64 }, async (model) => {
      const { dimensions } = model.info.embedding!;
      const cases: readonly (readonly [unknown, object, new (message: string) => Error, string])[] = [
        ['text', {}, InputError, 'texts must be an array, found string "text"'],
        [['text'], {}, InputError, 'no tokenizer'],
        [[7], {}, InputError, 'texts[0] must be a string or token ids, found number 7'],
        [[[]], {}, InputError, 'empty'],
        [[[1_000_000]], {}, InputError, 'Token ids must be integers'],
        [[[1]], { dimensions: dimensions + 1 }, InputError, `dimensions must be an integer from 1 to ${dimensions}`],
        [[[1]], { dimensions: 0 }, InputError, 'dimensions must be'],
        [[[1]], { kind: 'passage' }, InputError, 'kind must be "query" or "document", found string "passage"'],
        [[[1]], { kind: 'query', prompt: 'x' }, InputError, 'pass one of them'],
        [[[1]], { prompt: 3 }, InputError, 'prompt must be a string'],
        [[[1]], { dimension: 3 }, InputError, 'embed has no option "dimension". Did you mean dimensions?'],
        [[[1]], { signal: 3 }, InputError, 'signal must be an AbortSignal'],
        [[texts[3]], {}, CapacityError, 'texts[0]: The sequence of 130 tokens exceeds the context of 64 tokens'],
        [[texts[0], texts[1], []], {}, InputError, 'texts[2]: The sequence of token ids is empty'],
        [[texts[0], [1.5]], {}, InputError, 'texts[1]: Token ids must be integers'],
        [Object.assign([texts[0]], { length: 2 }), {}, InputError, 'texts[1] must be a string or token ids, found undefined'],
        [new Array(2 ** 31), {}, InputError, 'texts[0] must be a string or token ids, found undefined'],
      ];
      for (const [input, options, kind, message] of cases) {
        const failing = model.embed(input as never, options);
        await expect(failing).rejects.toThrow(kind);
        await expect(failing).rejects.toThrow(message);
      }
    });
  });

  it('stops when aborted while it reads many texts', async () => {
    const controller = new AbortController();
    await withModel({ files }, async (model) => {
      const many = Array.from({ length: 2_000_000 }, () => texts[0]!);
      setTimeout(() => controller.abort(new Error('too many')), 20);
      await expect(model.embed(many, { signal: controller.signal })).rejects.toThrow('too many');
      expect(await model.embed([texts[0]!])).toHaveLength(1);
    });
  });

  it('stops when aborted, frees what it held, and goes on when asked again', async () => {
    await withModel({ files, contextLength: 130 }, async (model) => {
      await model.embed(texts);
      const { kvBytes } = model.info.memory;
      const controller = new AbortController();
      const onProgress = ({ loaded }: { loaded: number }) => loaded > 0 && controller.abort(new Error('enough'));
      await expect(model.embed([...texts, ...texts], { signal: controller.signal, onProgress })).rejects.toThrow('enough');
      const found = await model.embed(texts);
      expect(relativeError(found[3]!, f32Of(tensors, 'long.mean_pooled'))).toBeLessThan(1e-4);
      expect(model.info.memory.kvBytes).toBe(kvBytes);
      await model.dispose();
      await expect(model.embed(texts)).rejects.toThrow('disposed');
    });
  });

  it('belongs to models of embeddings, which have nothing else', async () => {
    await withModel({ files }, async (model) => {
      await expect(model.forward([1])).rejects.toThrow(/^forward needs a model that predicts tokens; .* use embed/);
      await expect(model.generate({ ids: [1] }).next()).rejects.toThrow(InputError);
      expect(() => model.createChat()).toThrow(InputError);
    });
    await withModel({ files: {} }, async (model) => {
      expect(model.info.embedding).toBeUndefined();
      await expect(model.embed([[1]])).rejects.toThrow('embed needs a model of embeddings');
    });
  });
});

describe('a model of embeddings is refused', () => {
  const cases: readonly (readonly [string, ExtraFiles, string])[] = [
    ['for another module', { 'modules.json': [{ type: 'x.WordEmbeddings', path: '' }] }, 'found "WordEmbeddings"'],
    ['for modules in another order', { 'modules.json': [{ type: 'x.Transformer', path: '' }] }, 'in this order; found Transformer'],
    ['without the settings of its pooling', { 'modules.json': [{ type: 'a.Transformer', path: '' }, { type: 'a.Pooling', path: 'p' }] },
      'expected p/config.json, which modules.json names'],
    ['for a pooling that is not known', poolingFiles('max_tokens'), 'found pooling_mode_max_tokens'],
    ['for two poolings',
      poolingFiles('mean_tokens', { '1_Pooling/config.json': { pooling_mode_mean_tokens: true, pooling_mode_lasttoken: true } }),
      'found pooling_mode_mean_tokens, pooling_mode_lasttoken'],
    ['that leaves out prompts', poolingFiles('mean_tokens', { '1_Pooling/config.json': { pooling_mode: 'mean', include_prompt: false } }),
      'include_prompt must be true'],
    ['for a folder outside',
      { 'modules.json': [{ type: 'a.Transformer', path: '' }, { type: 'a.Pooling', path: '../p' }] },
      'modules.json: the path of Pooling must be a folder below the model\'s own, found "../p"'],
    ['for a folder of the disk', { 'modules.json': [{ type: 'a.Transformer', path: '' }, { type: 'a.Pooling', path: '/etc' }] },
      'must be a folder below the model\'s own, found "/etc"'],
    ['for a pooling that lies nowhere', { 'modules.json': [{ type: 'a.Transformer', path: '' }, { type: 'a.Pooling', path: '' }] },
      'the path of Pooling must be a folder'],
    ['for a model elsewhere', { 'modules.json': [{ type: 'a.Transformer', path: '0_Transformer' }] },
      'the path of Transformer must be "", the folder of modules.json itself, found "0_Transformer"'],
    ['for a circle of modules',
      { 'modules.json': [{ type: 'a.Transformer', path: '' }, { type: 'a.Dense', path: 'p' }, { type: 'a.Dense', path: 'p' }] },
      'names the folder "p" twice'],
    ['for modules without end',
      { 'modules.json': Array.from({ length: 20_000 }, (_, i) => ({ type: 'a.Dense', path: `d${i}` })) },
      'must hold at most 16 modules, found 20000'],
    ['for a dense layer that does not name its activation',
      { ...poolingFiles('mean_tokens'),
        'modules.json': [{ type: 'a.Transformer', path: '' }, { type: 'a.Pooling', path: '1_Pooling' }, { type: 'a.Dense', path: 'd' }],
        'd/config.json': { in_features: 64, out_features: 4 } },
      'd/config.json: activation_function must be Identity, found nothing'],
    ['for a pooling of another width',
      poolingFiles('mean_tokens', { '1_Pooling/config.json': { pooling_mode_mean_tokens: true, word_embedding_dimension: 3 } }),
      'word_embedding_dimension must be the width of the model\'s states, 64, found 3'],
    ['for a length that is none', poolingFiles('mean_tokens', { 'sentence_bert_config.json': { max_seq_length: 0 } }),
      'sentence_bert_config.json: max_seq_length must be an integer of at least 1, found 0'],
    ['for a switch that is none', poolingFiles('mean_tokens', { 'sentence_bert_config.json': { do_lower_case: 'yes' } }),
      'do_lower_case must be true or false, found "yes"'],
    ['for prompts that are no texts', poolingFiles('mean_tokens', { 'config_sentence_transformers.json': { prompts: { query: 3 } } }),
      'prompts.query must be a text'],
    ['for a default prompt that there is not',
      poolingFiles('mean_tokens', { 'config_sentence_transformers.json': { prompts: {}, default_prompt_name: 'x' } }),
      'default_prompt_name must be one of'],
  ];
  it.each(cases)('%s', async (_, files, message) => {
    const failing = embeddingModel(filesBelow(path, files), { device: 'reference' });
    await expect(failing).rejects.toThrow(FormatError);
    await expect(failing).rejects.toThrow(message);
  });
});
