import { describe, expect, test } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { checkParts, checkSeen, checkTower, loadVision, readVisionGolden, VISION_GOLDENS } from '../../test/vision-golden.ts';
import type { Executor } from '../graph/executor.ts';
import type { Checkpoint, JsonObject, TensorEntry } from '../tensor/checkpoint.ts';
import { openDecoder } from './open-decoder.ts';
import { SEEING, towerRun } from './vision.ts';
import { openExecutor } from '../node/load-model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { locate } from '../node/open-path.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

const ROOMS: readonly (readonly [string, number, () => Promise<Executor>])[] = [
  ['the reference', 2e-5, async () => createReferenceExecutor()],
  ['the CPU with 1 thread', 1e-4, () => openExecutor({ device: 'cpu', threads: 1 })],
  ['the CPU with 3 threads', 1e-4, () => openExecutor({ device: 'cpu', threads: 3 })],
];

describe.each(VISION_GOLDENS.filter((name) => hasShared(`golden/${name}/golden.json`)))('%s sees what transformers sees', (name) => {
  test.each(ROOMS)('on %s', async (_, tolerance, open) => {
    const golden = readVisionGolden(name);
    const loaded = await loadVision(await open(), golden);
    await checkTower(loaded, golden, tolerance);
    await checkParts(loaded, golden);
    await checkSeen(loaded, golden, tolerance);
    await loaded.program.dispose();
  });
});

/** The tower's layers with `kept` of the values between their two products: the others are zeros, or, `isCut`, not in the file. */
async function narrowed(path: string, kept: number, isCut: boolean): Promise<Checkpoint> {
  const { config = {}, ...checkpoint } = await openCheckpoint(await locate(path));
  const tensors = new Map(checkpoint.tensors);
  for (const [name, entry] of tensors) {
    if (/vision_tower.*mlp\.fc[12]\./.test(name) && !name.endsWith('fc2.bias')) tensors.set(name, await narrowedTensor(entry, kept, isCut));
  }
  const vision = { ...(config['vision_config'] as JsonObject), ...(isCut && { intermediate_size: kept }) };
  return { ...checkpoint, config: { ...config, vision_config: vision }, tensors };
}

async function narrowedTensor(entry: TensorEntry, kept: number, isCut: boolean): Promise<TensorEntry> {
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes);
  const [rows, inner = 1] = entry.shape as readonly [number, number?];
  const isWide = entry.name.endsWith('fc2.weight');
  const [lines, most] = isWide ? [rows, inner] : [1, rows];
  const each = bytes.length / (lines * most);
  const width = isCut ? kept : most;
  const own = new Uint8Array(lines * width * each);
  for (let line = 0; line < lines; line++)
    own.set(bytes.subarray(line * most * each, (line * most + kept) * each), line * width * each);
  const shape = isWide ? [rows, width] : entry.shape.length === 1 ? [width] : [width, inner];
  return { ...entry, shape, sizeBytes: own.length, read: async (at, into) => into.set(own.subarray(at, at + into.length)) };
}

test.runIf(hasShared('golden/lfm2_vl/golden.json'))('layers of any width between their products are widened by zeros', async () => {
  const { folder, picture } = readVisionGolden('lfm2_vl');
  const patches = picture.rows * picture.columns;
  const [cut, whole] = await Promise.all([true, false].map(async (isCut) => {
    const checkpoint = await narrowed(folder, 70, isCut);
    const { model, weights, vision } = await openDecoder(checkpoint);
    const kv = { type: 'f32', pageTokens: 16, maxPages: 1 } as const;
    const sizes = { rows: 16, patches, [SEEING.seen.pictureRows]: patches / 4 };
    const program = await createReferenceExecutor().load({ model, weights, kv, sizes });
    await checkpoint.close();
    const [made] = await program.run([towerRun(vision!, picture, [SEEING.tower.embeddings])]);
    await program.dispose();
    return made!.get(SEEING.tower.embeddings)!;
  }));
  expect(cut).toEqual(whole);
  expect(cut!.some((value) => Math.abs(value) > 0.01)).toBe(true);
});
