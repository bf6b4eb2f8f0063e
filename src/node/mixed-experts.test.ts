/** Experts of several types of number in one layer give what the float64 reference makes of the same file. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { embeddingModel, filesBelow } from '../../test/embedding-model.ts';
import { readFixtureTensors } from '../../test/fixture-tensors.ts';
import type { FixtureTensor } from '../../test/fixture-tensors.ts';
import { goldenPath, hasGolden, readGolden } from '../../test/goldens.ts';
import type { GoldenName } from '../../test/goldens.ts';
import { tensorFileBytes } from '../../test/model-bytes.ts';
import { relativeError } from '../../test/relative-error.ts';
import { createModel } from '../engine/model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { convertFile } from './convert.ts';
import { openExecutor } from './load-model.ts';
import { locate } from './open-path.ts';

type Type = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0';
/** Types of gate, up and down, and the greatest error, of the range of the logits: types of blocks multiply int8 activations. */
const MIXES: readonly (readonly [types: readonly [Type, Type, Type], limit: number])[] = [
  [['bf16', 'f32', 'f16'], 1e-4],
  [['q4_0', 'q8_0', 'f16'], 6e-2],
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-mixed-experts-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function openAs(golden: GoldenName, type: Type): Promise<Checkpoint> {
  const path = join(folder, `${golden}-${type}.gguf`);
  if (!existsSync(path)) await convertFile(goldenPath(golden), path, { type });
  return openCheckpoint(await locate(path));
}

/** The golden's GGUF file in f32, but its experts in other types: gates, ups and downs. */
async function mixedGguf(golden: GoldenName, types: readonly [Type, Type, Type]): Promise<Checkpoint> {
  const plain = await openAs(golden, 'f32');
  const [gate, up, down] = [await openAs(golden, types[0]), await openAs(golden, types[1]), await openAs(golden, types[2])];
  const source = (name: string) => ({ gate, up, down })[/ffn_(gate|up|down)_exps\.weight/.exec(name)?.[1] as 'up'] ?? plain;
  const tensors = new Map([...plain.tensors.keys()].map((name) => [name, source(name).tensors.get(name)!]));
  const found = [...tensors].flatMap(([name, { type }]) => (name.includes('_exps.weight') ? [type] : []));
  expect([...new Set(found)].toSorted()).toEqual(types.toSorted());
  const close = async () => {
    for (const one of [plain, gate, up, down]) await one.close();
  };
  return { ...plain, tensors, close };
}

async function logitsOf(checkpoint: Checkpoint, device: 'cpu' | 'reference', ids: readonly number[]): Promise<Float32Array> {
  const executor = await openExecutor({ device, threads: device === 'cpu' ? 2 : undefined });
  const model = await createModel({ checkpoint: { ...checkpoint, close: async () => {} }, executor });
  try {
    return await model.forward([...ids]);
  } finally {
    await model.dispose();
  }
}

describe.each(['qwen3_moe', 'gpt_oss', 'lfm2_moe', 'qwen3_5_moe'] as const)('a GGUF file of %s', (golden) => {
  const given = test.skipIf(!hasGolden(golden));
  given.for(MIXES)('with gates, ups and downs in %s', async ([types, limit]) => {
    const checkpoint = await mixedGguf(golden, types);
    try {
      const ids = readGolden(golden).prompts['short']!;
      const expected = await logitsOf(checkpoint, 'reference', ids);
      expect(relativeError(await logitsOf(checkpoint, 'cpu', ids), expected)).toBeLessThan(limit);
    } finally {
      await checkpoint.close();
    }
  });
});

/** The upper halves of its values. */
function asBf16({ shape, bytes }: FixtureTensor): FixtureTensor {
  const halves = new Uint16Array(bytes.slice().buffer).filter((_, i) => i % 2 === 1);
  return { dtype: 'BF16', shape, bytes: new Uint8Array(halves.buffer) };
}

test.skipIf(!hasGolden('qwen3_moe'))('a folder in which one expert of many is of another type is refused by its name', async () => {
  const golden = goldenPath('qwen3_moe');
  const name = 'model.layers.1.mlp.experts.3.up_proj.weight';
  const tensors = readFixtureTensors(join(golden, 'model.safetensors'));
  tensors.set(name, asBf16(tensors.get(name)!));
  const files = new Map([...filesBelow(golden)].filter(([file]) => file === 'config.json'));
  files.set('model.safetensors', tensorFileBytes(tensors));
  const opening = embeddingModel(files, { device: 'cpu' });
  await expect(opening).rejects.toThrow(FormatError);
  await expect(opening).rejects.toThrow(`found model.layers.1.mlp.experts.0.up_proj.weight of f32 and ${name} of bf16`);
});
