import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ggufBytes, smallGguf, smallSafetensors, text, u16, utf8 } from '../../test/model-bytes.ts';
import { locate } from '../node/open-path.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { memoryFolder } from './memory-source.ts';
import { openCheckpoint } from './open-checkpoint.ts';

const config = utf8({ model_type: 'qwen3', hidden_size: 8 });

function open(files: Record<string, Uint8Array>, fileName?: string) {
  return openCheckpoint({ folder: memoryFolder(new Map(Object.entries(files)), 'memory'), fileName });
}

describe('openCheckpoint', () => {
  const hf = { 'config.json': config, 'model.safetensors': smallSafetensors(), 'chat_template.jinja': utf8('\uFEFFhi {{ x }}') };
  const index = utf8({
    weight_map: Object.fromEntries(
      ['model.norm.weight', 'model.embed_tokens.weight', 'lm_head.weight'].map((name) => [name, 'y-00001-of-00001.safetensors']),
    ),
  });
  const sharded = { 'config.json': config, 'y.safetensors.index.json': index, 'y-00001-of-00001.safetensors': smallSafetensors() };

  test('a folder', async () => {
    const checkpoint = await open(hf);
    expect(checkpoint).toMatchObject({
      format: 'safetensors',
      architecture: 'qwen3',
      name: 'memory',
      config: { hidden_size: 8 },
      sizeBytes: smallSafetensors().length,
    });
    expect([...checkpoint.assets.entries()]).toEqual([
      ['config.json', new TextDecoder().decode(config)],
      ['chat_template.jinja', 'hi {{ x }}'],
    ]);
  });

  test.each<[string, Record<string, Uint8Array>, string, string]>([
    ['a safetensors file', hf, 'model.safetensors', 'safetensors'],
    ['a safetensors file of another name', { 'config.json': config, 'w.safetensors': smallSafetensors() }, 'w.safetensors', 'safetensors'],
    ['config.json', hf, 'config.json', 'safetensors'],
    ['an index', sharded, 'y.safetensors.index.json', 'safetensors'],
    ['a shard', sharded, 'y-00001-of-00001.safetensors', 'safetensors'],
    ['a GGUF file', { 'm.gguf': smallGguf() }, 'm.gguf', 'gguf'],
    ['a GGUF file of another name', { blob: smallGguf() }, 'blob', 'gguf'],
  ])('%s', async (_, files, fileName, format) => {
    const checkpoint = await open(files, fileName);
    expect(checkpoint.format).toBe(format);
    expect(checkpoint.tensors.size).toBe(3);
    await checkpoint.close();
  });

  test("a config.json that holds Python's Infinity and NaN", async () => {
    const pythons = new TextEncoder().encode(
      '{"model_type": "llama", "time_step_limit": [0.0, Infinity], "x": NaN, "y": -Infinity, "name": "Infinity, NaN"}',
    );
    const checkpoint = await open({ ...hf, 'config.json': pythons });
    expect(checkpoint.config).toEqual({
      model_type: 'llama',
      time_step_limit: [0, Infinity],
      x: Number.NaN,
      y: -Infinity,
      name: 'Infinity, NaN',
    });
  });

  test.each<[string, Record<string, Uint8Array>, string | undefined, RegExp]>([
    ['no config.json', { 'model.safetensors': smallSafetensors() }, undefined, /no config.json/],
    ['no weights', { 'config.json': config }, undefined, /neither model.safetensors nor model.safetensors.index.json.*\.bin/],
    ['no such file', hf, 'x.safetensors', /no file "x.safetensors"/],
    ['no such GGUF file', {}, 'x.gguf', /no file "x.gguf"/],
    [
      'a shard without an index',
      { 'config.json': config, 'z-00001-of-00002.safetensors': smallSafetensors() },
      'z-00001-of-00002.safetensors',
      /no index "z.safetensors.index.json"/,
    ],
    ['a text file', { 'a.txt': utf8('hello') }, 'a.txt', /"a.txt" is not a model file/],
    ['a config that is not JSON', { ...hf, 'config.json': utf8('{"a":') }, undefined, /config.json is not valid JSON/],
    ['a config that is a list', { ...hf, 'config.json': utf8([]) }, undefined, /must be a JSON object, found an array/],
    ['a config without model_type', { ...hf, 'config.json': utf8({}) }, undefined, /no string "model_type"/],
    ['a config with a numeric model_type', { ...hf, 'config.json': utf8({ model_type: 3 }) }, undefined, /no string "model_type"/],
    [
      'a template that is not UTF-8',
      { ...hf, 'chat_template.jinja': new Uint8Array([0xff]) },
      undefined,
      /chat_template.jinja is not valid UTF-8/,
    ],
    [
      'a config beyond 16 MiB',
      { ...hf, 'config.json': new Uint8Array(16 * 1024 * 1024 + 1) },
      undefined,
      /config.json has 16777217 bytes.*at most 16777216/,
    ],
  ])('%s', async (_, files, fileName, pattern) => {
    const error = await open(files, fileName).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(pattern);
  });
});

const split = (no: number) =>
  ggufBytes({
    metadata: [
      ['general.architecture', text('llama')],
      ['split.no', u16(no)],
      ['split.count', u16(2)],
    ],
  });

describe('locate', () => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'ingot-locate-'));
    const tree: Record<string, Record<string, Uint8Array>> = {
      empty: {},
      hf: { 'config.json': config, 'model.safetensors': smallSafetensors() },
      'hf beside gguf': { 'config.json': config, 'model.safetensors': smallSafetensors(), 'm.gguf': smallGguf() },
      'config beside gguf': { 'config.json': config, 'm.gguf': smallGguf() },
      one: { 'm.gguf': smallGguf(), 'notes.txt': utf8('x') },
      split: { 's-00001-of-00002.gguf': split(0), 's-00002-of-00002.gguf': split(1) },
      two: { 'a.gguf': smallGguf(), 'b.gguf': smallGguf() },
    };
    for (const [folder, files] of Object.entries(tree)) {
      await mkdir(join(root, folder));
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(root, folder, name), bytes);
    }
  });
  afterAll(() => rm(root, { recursive: true }));

  test.each<[string, string | undefined, string]>([
    ['hf', undefined, 'safetensors'],
    ['hf beside gguf', undefined, 'safetensors'],
    ['config beside gguf', 'm.gguf', 'gguf'],
    ['one', 'm.gguf', 'gguf'],
    ['one/m.gguf', 'm.gguf', 'gguf'],
    ['hf/model.safetensors', 'model.safetensors', 'safetensors'],
    ['split', 's-00001-of-00002.gguf', 'gguf'],
  ])('%s', async (path, fileName, format) => {
    for (const form of [join(root, path), pathToFileURL(join(root, path)).href]) {
      const location = await locate(form);
      expect(location.fileName).toBe(fileName);
      const checkpoint = await openCheckpoint(location);
      expect(checkpoint.format).toBe(format);
      await checkpoint.close();
    }
  });

  test.each<[string, RegExp]>([
    ['absent', /no such file or directory/],
    ['one/m.gguf/x', /not a directory/],
    ['two', /2 GGUF models \(a.gguf, b.gguf\). Name the file/],
    ['empty', /holds no model/],
  ])('%s is an error', async (path, pattern) => {
    const error = (await locate(join(root, path)).catch((reason: unknown) => reason)) as Error;
    expect(error instanceof InputError || error instanceof FormatError).toBe(true);
    expect(error.message).toMatch(pattern);
  });

  test('an empty text, a bad URL', async () => {
    await expect(locate('')).rejects.toThrow(InputError);
    await expect(locate('http://')).rejects.toThrow(InputError);
    await expect(locate('file://host/%00')).rejects.toThrow(InputError);
  });

  test('URLs of files and of folders', async () => {
    const file = await locate('https://example.com/a/b%20c.gguf?token=1');
    expect([file.folder.name, file.fileName]).toEqual(['https://example.com/a/', 'b c.gguf']);
    const folder = await locate('https://example.com/a/model');
    expect([folder.folder.name, folder.fileName]).toEqual(['https://example.com/a/model', undefined]);
  });
});
