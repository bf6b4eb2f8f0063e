/** Whole folders of packed integers, whose modules, biases and settings lie as their authors' tools write them. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readFixtureTensors } from '../../test/fixture-tensors.ts';
import type { FixtureTensor } from '../../test/fixture-tensors.ts';
import { goldenPath, readGolden } from '../../test/goldens.ts';
import { tensorFileBytes, utf8 } from '../../test/model-bytes.ts';
import { packNibbles, PACKINGS } from '../../test/packed-nibbles.ts';
import { relativeError } from '../../test/relative-error.ts';
import { createModel } from '../engine/model.ts';
import { openHfFolder } from '../files/hf-folder.ts';
import { memoryFolder } from '../files/memory-source.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';

// The second has biases of its own.
const CASES = Object.keys(PACKINGS).flatMap((method) => (['llama', 'llama_bias'] as const).map((golden) => [method, golden] as const));

it.each(CASES)('%s: %s computes what its codes stand for', async (method, golden) => {
  const config = JSON.parse(readFileSync(`${goldenPath(golden)}/config.json`, 'utf8')) as JsonObject;
  const packing = PACKINGS[method]!;
  const { packed, decoded } = packNibbles(readFixtureTensors(`${goldenPath(golden)}/model.safetensors`), packing);
  const logitsOf = async (tensors: ReadonlyMap<string, FixtureTensor>, more: JsonObject) => {
    const files = new Map([['config.json', utf8({ ...config, ...more })], ['model.safetensors', tensorFileBytes(tensors)]]);
    const checkpoint = await openHfFolder(memoryFolder(files, 'memory'));
    const model = await createModel({ checkpoint, executor: createReferenceExecutor(), kvType: 'f32' });
    try {
      expect(model.info.warnings).toEqual([]);
      return await model.forward(readGolden(golden).prompts['short']!);
    } finally {
      await model.dispose();
    }
  };
  const found = await logitsOf(packed, { quantization_config: { quant_method: method, ...packing.settings } });
  expect(relativeError(found, await logitsOf(decoded, {}))).toBeLessThan(1e-6);
});
